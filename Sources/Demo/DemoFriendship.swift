internal import Multiserver
internal import NIOCore
internal import Node
internal import TypedSodium

/// The demo's steps about who is let in: an invite, a published address, a stranger, another instance, a farewell.
struct DemoFriendship: Sendable {
    let stage: DemoStage
    let narrator: DemoNarrator
    let group: any EventLoopGroup

    /// The friend redeems the invite.
    func redeemInvite(_ findings: DemoFindings) async throws {
        try await narrator.step(
            "An invite", "One line of text, handed over once: whoever redeems it first is a friend.",
            watching: .owner
        ) {
            let code = try stage.handedOver(to: .friend)
            try narrator.detail("code", "\(code.prefix(40))… (\(code.utf8.count) characters)")
            _ = try await stage.run(.friend, ["join", code, "--name", "home"])
            let friends = try await stage.run(.owner, ["friend", "list"])
            guard friends.contains(where: { $0.contains("friend") }) else {
                throw CommandFailure(.unexpected, "the owner's keyring does not name the friend")
            }
            _ = try await stage.run(.stranger, ["join", code], ending: .inviteRefused)
            // One for five, which the friend has presented too: it will be closed with the friend.
            let wide = try stage.handedOver(to: .flooder)
            _ = try await stage.run(.friend, ["join", wide, "--name", "home"])
            return "redeemed once; the stranger who found it later is told that it is used up"
        }
    }

    /// The owner publishes an address, which tells its friends everything and others nothing.
    func publishAddress(_ findings: inout DemoFindings, _ summary: inout DemoSummary) async throws {
        try await narrator.step(
            "An address on a billboard",
            "It names neither the node nor the portal; keyrings of friends resolve it, dialling nobody."
        ) {
            guard let address = try await stage.run(.owner, ["address"]).first,
                let owner = findings.ids[.owner]
            else { throw CommandFailure(.unexpected, "no address was printed") }
            findings.sealedAddress = String(address)
            try narrator.detail("published", findings.sealedAddress)
            let found = try await stage.run(.friend, ["resolve", findings.sealedAddress]).first ?? ""
            guard found.contains(owner.id), found.contains(findings.portalAddress) else {
                throw CommandFailure(.verificationFailed, "the friend resolved something else: \(found)")
            }
            try narrator.detail("friend", "it is home's, at \(findings.portalAddress.prefix(24))…")
            summary.friendResolved = true
            _ = try await stage.run(.stranger, ["portals", "add", findings.portalAddress])
            _ = try await stage.run(
                .stranger, ["resolve", findings.sealedAddress], ending: .notForThisKeyring)
            try narrator.detail("stranger", "has the list of all portals, and learns nothing")
            summary.strangerResolvedNothing = true
            return "resolved by the friend alone; tomorrow's address will be another"
        }
    }

    /// The stranger knows more than the address says, and gets nowhere.
    func tryStranger(_ findings: DemoFindings, _ summary: inout DemoSummary) async throws {
        try await narrator.step(
            "A stranger knocks",
            "Somebody has told it portal and owner. Whoever is hidden is not to be had by name.",
            watching: .stranger
        ) {
            guard let portal = findings.portalKey, let owner = findings.ids[.owner] else {
                throw CancellationError()
            }
            let address = "tunnel:\(portal.id):\(owner.id):0~shs:\(owner.base64)"
            _ = try await stage.run(
                .stranger, ["call", address, "whoami", "--portal", findings.portalAddress],
                ending: .targetAbsent)
            summary.strangerRefused = true
            return "\"not here\", as for one that does not exist; exit code 12"
        }
    }

    /// The owner's second instance has nothing for the friend until it is named.
    func openInstance() async throws {
        try await narrator.step(
            "A second instance",
            "The same identity in the same process, with services and permissions of its own.",
            watching: .owner
        ) {
            let question = ["call", "home", "service.list", "--instance", "1"]
            _ = try await stage.run(.friend, question, ending: .innerHandshakeRefused)
            try narrator.detail("at first", "the friend finds nothing there, as at one that does not exist")
            _ = try await stage.run(
                .owner, ["friend", "allow", "friend", "--service", "web", "--service", "1/notes"])
            try await stage.run(.friend, question, untilEnding: .success)
            let names = try await stage.run(.friend, question).joined()
            guard names == #"["notes"]"# else {
                throw CommandFailure(.verificationFailed, "instance 1 offers the friend \(names)")
            }
            try narrator.detail("then", "1/notes, and nothing else of that instance")
            return "one node, two instances: no right at one is a right at the other"
        }
    }

    /// The owner removes the friend, who has a connection open.
    func removeFriend(_ findings: DemoFindings, _ summary: inout DemoSummary) async throws {
        try await narrator.step(
            "A farewell", "The owner removes the friend, who is just using the web service.",
            watching: .owner
        ) {
            let (visits, continuation) = AsyncStream.makeStream(of: Void.self)
            let (port, group) = (findings.port, group)
            let lastVisit = Task {
                // Ends when the connection does, which is the point.
                _ = try? await DemoVisitor.visit(port: port, on: group) { visitor in
                    while !Task.isCancelled {
                        _ = try await visitor.fetch("/ping") { _ in }
                        continuation.yield()
                    }
                }
                return ContinuousClock.now
            }
            for await _ in visits { break }
            let start = ContinuousClock.now
            let forwards = stage.release(.friend)
            _ = try await stage.run(.owner, ["friend", "remove", "friend"])
            let time = await lastVisit.value - start
            for forward in forwards {
                let ending = try await forward.ended()
                guard ending == .exited(ExitStatus.innerHandshakeRefused.rawValue) else {
                    throw CommandFailure(.unexpected, "the removed friend's `cway connect` \(ending)")
                }
            }
            summary.removalSeconds = time / .seconds(1)
            try narrator.detail("cut after", DemoNarrator.seconds(time))
            try await stage.run(.friend, ["call", "home", "whoami"], untilEnding: .targetAbsent)
            _ = try await stage.run(
                .disguised, ["join", try stage.handedOver(to: .flooder)], ending: .inviteRefused)
            summary.freshKeyRefused = true
            try narrator.detail("fresh key", "refused: all invites that the friend ever presented are closed")
            return "the friend is out: the portal knows its token no more; exit code 12"
        }
    }
}
