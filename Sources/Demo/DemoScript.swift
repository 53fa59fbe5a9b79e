internal import Glibc
internal import Multiserver
internal import NIOCore
internal import Node
internal import TypedSodium

/// The demo's steps, in the order in which they are told; those about friendship are in ``DemoFriendship``.
struct DemoScript: Sendable {
    /// How many packets the portal writes down; a page and its handshakes take three dozen.
    private static let frameLimit = 256

    let stage: DemoStage
    let narrator: DemoNarrator
    let site: DemoSite
    let data: DemoBytes
    let group: any EventLoopGroup
    let showProgress: @Sendable (Int?) -> Void

    /// Plays all steps.
    ///
    /// - Throws: ``CommandFailure`` at the first that does not hold.
    func play() async throws -> DemoSummary {
        var findings = DemoFindings()
        var summary = DemoSummary()
        let friendship = DemoFriendship(stage: stage, narrator: narrator, group: group)
        try await makeIdentities(&findings)
        try await startPortal(&findings)
        try await startOwner(&findings)
        try await friendship.redeemInvite(findings)
        try await friendship.publishAddress(&findings, &summary)
        try await fetchPage(&findings)
        try await lookOverShoulder(findings, &summary)
        try await friendship.tryStranger(findings, &summary)
        try await friendship.openInstance()
        let measuring = DemoMeasuring(
            narrator: narrator, data: data, port: findings.port, group: group, showProgress: showProgress)
        try await measuring.transfer(&summary)
        try await measuring.measureRoundTrips(&summary)
        try await DemoFlood(stage: stage, narrator: narrator, group: group).play(measuring, &summary)
        try await friendship.removeFriend(findings, &summary)
        try await endInOrder()
        summary.steps = narrator.finished.map { .init(title: $0.title, seconds: $0.duration / .seconds(1)) }
        return summary
    }

    private func makeIdentities(_ findings: inout DemoFindings) async throws {
        try await narrator.step(
            "Fresh identities", "A node is its key pair: no account, no password, no certificate."
        ) {
            for role in DemoProcess.Role.people {
                let id = try stage.makeIdentity(of: role)
                findings.ids[role] = id
                try narrator.detail("\(role)", id.id)
            }
            return "\(DemoProcess.Role.people.count) key pairs in a temporary folder of their own"
        }
    }

    private func startPortal(_ findings: inout DemoFindings) async throws {
        try await narrator.step(
            "A portal", "Both sides will dial it; it runs on any server that both can reach.",
            watching: .portal
        ) {
            let portal = try stage.launch(
                .portal,
                [
                    "portal", "--listen", "127.0.0.1:0", "--show-frames", "\(Self.frameLimit)", "--log-level",
                    "debug",
                ])
            findings.portal = portal
            findings.portalAddress = try await portal.firstLine()
            findings.portalKey = findings.ids[.portal]
            try narrator.detail("process", "\(portal.identifier)")
            try narrator.detail("address", findings.portalAddress)
            return "it listens"
        }
    }

    private func startOwner(_ findings: inout DemoFindings) async throws {
        try await narrator.step(
            "An owner's node, hidden, without an open port",
            "Like the machine at home: it dials out, and gives the portal tokens instead of names.",
            watching: .owner
        ) {
            guard let portal = findings.portalKey, let id = findings.ids[.owner] else {
                throw CancellationError()
            }
            _ = try await stage.run(.owner, ["portals", "add", findings.portalAddress])
            let code = try await stage.run(
                .owner, ["invite", "create", "--service", "web", "--label", "friend"])
            let wide = try await stage.run(
                .owner, ["invite", "create", "--service", "web", "--label", "flooder", "--uses", "5"])
            guard let code = code.first, let wide = wide.first else {
                throw CommandFailure(.unexpected, "no invite was printed")
            }
            stage.handOver(String(code), to: .friend)
            stage.handOver(String(wide), to: .flooder)
            let owner = try stage.launch(
                .owner,
                [
                    "serve", "--service", "web=127.0.0.1:\(site.port)", "--instance", "1", "--service",
                    "notes=127.0.0.1:\(site.port)",
                ])
            _ = try await owner.firstLine()
            findings.pseudonym = try stage.pseudonym(of: .owner, at: portal).id
            try narrator.detail("process", "\(owner.identifier)")
            try narrator.detail("its id", id.id)
            try narrator.detail("portal:", "\(findings.pseudonym)  (all that the portal sees)")
            let sockets = ProcessSockets.listeningCount(of: owner.identifier)
            guard sockets ?? 0 == 0 else {
                throw CommandFailure(.unexpected, "the owner's node listens on \(sockets ?? 0) ports")
            }
            return "announced" + (sockets == nil ? "" : ", and it listens on no port at all")
        }
    }

    private func fetchPage(_ findings: inout DemoFindings) async throws {
        try await narrator.step(
            "A web page through the tunnel",
            "A port of the friend leads to the owner's web service, wherever that machine is.",
            watching: .friend
        ) {
            let friend = try stage.launch(
                .friend, ["connect", findings.sealedAddress, "web", "--listen", "127.0.0.1:0"])
            let line = try await friend.firstLine()
            findings.port = Int(try NetAddress(hostAndPort: line).port)
            try narrator.detail("process", "\(friend.identifier)")
            try narrator.detail("GET", "http://\(line)/")
            findings.page = try await DemoVisitor.visit(port: findings.port, on: group) { visitor in
                var page = ByteBuffer()
                _ = try await visitor.fetch("/") { page.writeImmutableBuffer($0) }
                return String(buffer: page)
            }
            guard findings.page.contains(DemoSite.sentence) else {
                throw CommandFailure(.verificationFailed, "another page came than was sent")
            }
            try narrator.detail("page", "\"\(DemoSite.sentence)\"")
            return "\(findings.page.utf8.count) bytes of HTML, as they were served"
        }
    }

    private func lookOverShoulder(_ findings: DemoFindings, _ summary: inout DemoSummary) async throws {
        try await narrator.step(
            "What the portal saw of it",
            "These bytes it passed on, in its own words: the tunnel's ends encrypt for each other.",
            watching: .portal
        ) {
            guard let portal = findings.portal else { throw CancellationError() }
            let log = portal.log
            let seen = SeenFrames(log: log)
            try checkIsWhole(seen, endpoint: findings.pseudonym, page: findings.page)
            for frame in seen.frames.suffix(4) {
                let direction = frame.sender == findings.pseudonym ? "owner → friend" : "friend → owner"
                let count = "\(frame.body.count) B".padded(to: 6)
                try narrator.say("     \(direction)  \(count)  \(frame.beginning(byteCount: 16))")
            }
            let words = DemoVisitor.wordsOfRequest(for: "/") + ["text/html", DemoSite.sentence]
            let readable = seen.readable(words)
            guard readable.isEmpty else {
                throw CommandFailure(.verificationFailed, "the portal can read \(readable)")
            }
            for role in [DemoProcess.Role.owner, .friend] {
                guard let id = findings.ids[role]?.id, !log.contains(where: { $0.contains(id) }) else {
                    throw CommandFailure(.verificationFailed, "the portal knows who the \(role) is")
                }
            }
            summary.portalSaw = .init(frames: seen.frames.count, bytes: seen.byteCount, readable: readable)
            try narrator.say("     Its log, at level debug, names neither the owner nor the friend.")
            return
                "\(seen.frames.count) packets, \(seen.byteCount) bytes: not a word of request or page in them"
        }
    }

    /// Sees that nothing which was passed on is missing; else it would be easy not to find a word.
    ///
    /// The portal writes a packet down before it passes it on, so all that the page took stands in the log by now.
    private func checkIsWhole(_ seen: SeenFrames, endpoint: String, page: String) throws {
        guard seen.frames.count < Self.frameLimit,
            seen.byteCount(from: endpoint) > page.utf8.count,
            seen.byteCount(from: endpoint, others: true) > 0
        else { throw CommandFailure(.unexpected, "the portal did not write down all that it passed on") }
    }

    private func endInOrder() async throws {
        try await narrator.step("Clean-up", "Every process says goodbye to the others, the portal last.") {
            let processes = stage.release()
            for process in processes.reversed() {
                process.signal(SIGTERM)
                let ending = try await process.ended()
                guard ending == .exited(0) else {
                    throw CommandFailure(
                        .unexpected, "the \(process.role) \(ending) when it was to end in order")
                }
            }
            return "\(processes.count) processes ended in order"
        }
    }
}

/// What the demo's steps have found out so far, for those that follow.
struct DemoFindings {
    var ids: [DemoProcess.Role: PublicKey] = [:]
    var portalAddress = ""
    /// The key of the portal.
    var portalKey: PublicKey?
    /// What the owner calls itself at the portal.
    var pseudonym = ""
    /// The owner's address of today, which names nobody.
    var sealedAddress = ""
    /// The friend's local port that leads to the owner's web service.
    var port = 0
    /// The portal's process, whose log is looked into.
    var portal: DemoProcess?
    var page = ""
}
