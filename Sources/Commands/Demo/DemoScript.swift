internal import Foundation
internal import Multiserver
internal import NIOCore
internal import Node
internal import Sodium

/// The demo's steps, in the order in which they are told.
struct DemoScript: Sendable {
    /// How many packets the portal writes down; a page and its handshake take two dozen.
    private static let frameLimit = 256

    let stage: DemoStage
    let narrator: DemoNarrator
    let site: DemoSite
    let data: DemoBytes
    let group: any EventLoopGroup

    /// What the steps have found out so far, for those that follow.
    private struct Findings {
        var ids: [DemoProcess.Role: PublicKey] = [:]
        var portalAddress = ""
        var tunnelAddress = ""
        var port = 0
        var processes: [DemoProcess] = []
        var page = ""
    }

    /// Plays all steps.
    ///
    /// - Throws: ``CommandFailure`` at the first that does not hold.
    func play() async throws -> DemoSummary {
        var findings = Findings()
        var summary = DemoSummary()
        try await makeIdentities(&findings)
        try await startPortal(&findings)
        try await startEndpoint(&findings)
        try await fetchPage(&findings)
        try await lookOverShoulder(findings, &summary)
        try await tryStranger(findings, &summary)
        let measuring = DemoMeasuring(narrator: narrator, data: data, port: findings.port, group: group)
        try await measuring.transfer(&summary)
        try await measuring.measureRoundTrips(&summary)
        try await endInOrder(findings)
        return summary
    }

    private func makeIdentities(_ findings: inout Findings) async throws {
        try await narrator.step(
            "Fresh identities", "A node is its key pair: no account, no password, no certificate."
        ) {
            for role in DemoProcess.Role.allCases {
                let id = try stage.makeIdentity(of: role)
                findings.ids[role] = id
                try narrator.detail("\(role)", id.id)
            }
            return "four key pairs in a temporary folder of their own"
        }
    }

    private func startPortal(_ findings: inout Findings) async throws {
        try await narrator.step(
            "A portal", "Both sides will dial it; it runs on any server that both can reach.",
            watching: .portal
        ) {
            let portal = try stage.launch(
                .portal, ["portal", "--listen", "127.0.0.1:0", "--show-frames", "\(Self.frameLimit)"])
            findings.processes.append(portal)
            findings.portalAddress = try await portal.firstLine()
            try narrator.detail("process", "\(portal.identifier)")
            try narrator.detail("address", findings.portalAddress)
            return "it listens"
        }
    }

    private func startEndpoint(_ findings: inout Findings) async throws {
        try await narrator.step(
            "An endpoint without an open port",
            "Like the machine at home: it dials out to the portal and can then be reached there.",
            watching: .endpoint
        ) {
            guard let friend = findings.ids[.client] else { throw CancellationError() }
            let endpoint = try stage.launch(
                .endpoint,
                [
                    "serve", "--portal", findings.portalAddress, "--service", "web=127.0.0.1:\(site.port)",
                    "--allow", friend.id,
                ])
            findings.processes.append(endpoint)
            findings.tunnelAddress = try await endpoint.firstLine()
            try narrator.detail("process", "\(endpoint.identifier)")
            try narrator.detail("offers", "a web service of this machine, to the client alone")
            let sockets = ListeningSockets.count(of: endpoint.identifier)
            guard sockets ?? 0 == 0 else {
                throw CommandFailure(.unexpected, "the endpoint listens on \(sockets ?? 0) ports")
            }
            return "announced" + (sockets == nil ? "" : ", and it listens on no port at all")
        }
    }

    private func fetchPage(_ findings: inout Findings) async throws {
        try await narrator.step(
            "A web page through the tunnel",
            "A port of the client leads to the endpoint's web service, wherever that machine is.",
            watching: .client
        ) {
            let client = try stage.launch(.client, connectArguments(findings))
            findings.processes.append(client)
            let line = try await client.firstLine()
            let address = try NetAddress(hostAndPort: line)
            findings.port = Int(address.port)
            try narrator.detail("process", "\(client.identifier)")
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

    private func connectArguments(_ findings: Findings) -> [String] {
        [
            "connect", findings.tunnelAddress, "web", "--portal", findings.portalAddress, "--listen",
            "127.0.0.1:0",
        ]
    }

    private func lookOverShoulder(_ findings: Findings, _ summary: inout DemoSummary) async throws {
        try await narrator.step(
            "What the portal saw of it",
            "These bytes it passed on, in its own words: the tunnel's ends encrypt for each other.",
            watching: .portal
        ) {
            guard let portal = findings.processes.first, let endpoint = findings.ids[.endpoint]?.id,
                let client = findings.ids[.client]?.id
            else { throw CancellationError() }
            let log = portal.log
            let seen = SeenFrames(log: log)
            try checkIsWhole(seen, endpoint: endpoint, page: findings.page)
            for frame in seen.frames.suffix(4) {
                let direction = frame.sender == endpoint ? "endpoint → client" : "client → endpoint"
                let count = "\(frame.body.count) B".padding(toLength: 6, withPad: " ", startingAt: 0)
                try narrator.say("     \(direction)  \(count)  \(frame.beginning(byteCount: 16))")
            }
            let words = DemoVisitor.wordsOfRequest(for: "/") + ["text/html", DemoSite.sentence]
            let readable = seen.readable(words)
            guard readable.isEmpty else {
                throw CommandFailure(.verificationFailed, "the portal can read \(readable)")
            }
            guard !log.contains(where: { $0.contains(client) }) else {
                throw CommandFailure(.verificationFailed, "the portal knows who the client is")
            }
            summary.portalSaw = .init(frames: seen.frames.count, bytes: seen.byteCount, readable: readable)
            try narrator.say("     The client shows it a key made for this one connection, not its own.")
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

    private func tryStranger(_ findings: Findings, _ summary: inout DemoSummary) async throws {
        try await narrator.step(
            "A stranger knocks", "It knows both addresses, and has a key; only not one that was allowed.",
            watching: .stranger
        ) {
            let stranger = try stage.launch(.stranger, connectArguments(findings), isNeeded: false)
            let ending = try await stranger.ended()
            guard ending == .exited(ExitStatus.innerHandshakeRefused.rawValue), stranger.output.isEmpty else {
                throw CommandFailure(.unexpected, "the stranger was not refused: it \(ending)")
            }
            summary.strangerRefused = true
            return "refused by the endpoint, which told it nothing; exit code 13"
        }
    }

    private func endInOrder(_ findings: Findings) async throws {
        try await narrator.step("Clean-up", "Every process says goodbye to the others, the portal last.") {
            stage.release()
            for process in findings.processes.reversed() {
                process.signal(SIGTERM)
                let ending = try await process.ended()
                guard ending == .exited(0) else {
                    throw CommandFailure(
                        .unexpected, "the \(process.role) \(ending) when it was to end in order")
                }
            }
            return "\(findings.processes.count) processes ended in order"
        }
    }
}
