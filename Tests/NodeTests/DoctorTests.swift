import Blinding
import Invitation
import Keyring
import Logging
import Multiserver
import NIOPosix
import Node
import SecretHandshake
import Synchronization
import TestSupport
import Testing
import TypedSodium

@Suite("The doctor")
struct DoctorTests: Sendable {
    private struct NoMorePaper: Error {}

    private let folder: TemporaryFolder
    private let identity: Identity
    private let keyring: Keyring

    init() throws {
        folder = try TemporaryFolder()
        identity = try Identity.random()
        keyring = try Keyring(
            folder: folder.path, owner: EndpointKey(identity.publicKey), now: WallClock.seconds())
    }

    private func doctor(
        allowsLocal: Bool = true, _ report: @escaping @Sendable (Finding) throws -> Void
    ) -> Doctor {
        var settings = Settings()
        settings.allowLocal = allowsLocal
        return Doctor(
            identity: identity, keyring: keyring, settings: settings, servingProcess: 1,
            logger: Logger(label: "test"), report: report)
    }

    /// Whoever reads the findings may be gone at any of them; what stood then is closed all the same.
    @Test("leaves no connection behind, whichever finding cannot be said", .timeLimit(.minutes(1)))
    func unsaid() async throws {
        try await TestedPortal.run { portal, eventLoop in
            try keyring.portals.add(portal.place, now: WallClock.seconds())
            let count = Mutex(0)
            try await doctor { _ in count.withLock { $0 += 1 } }.examineNode(on: eventLoop)
            let findingCount = count.withLock(\.self)
            #expect(findingCount >= 5)
            for last in 1...findingCount {
                let said = Mutex(0)
                await #expect(throws: NoMorePaper.self) {
                    try await doctor { _ in
                        if said.withLock({
                            $0 += 1; return $0
                        }) == last {
                            throw NoMorePaper()
                        }
                    }.examineNode(on: eventLoop)
                }
                #expect(try await portal.has(0), "after finding \(last)")
            }
        }
    }

    @Test(
        "says of a busy portal that it may be at a limit, not that it is the wrong one",
        .timeLimit(.minutes(1)))
    func busy() async throws {
        let portal = ScriptedPortal { _, _ in .error("busy: too many connections from your address") }
        try await portal.run { address in
            let place = try PortalAddress(
                key: PortalKey(address.key), host: address.net.host, port: address.net.port, isOpen: false)
            try keyring.portals.add(place, now: WallClock.seconds())
            let findings = Mutex([Finding]())
            try await doctor { finding in findings.withLock { $0.append(finding) } }
                .examineNode(on: MultiThreadedEventLoopGroup.singleton.next())
            let said = findings.withLock(\.self)
            let odd = said.filter { $0.verdict == .odd && $0.hop.hasPrefix("portal ") }
            let bad = said.filter { $0.verdict == .bad }
            #expect(bad.isEmpty, "\(bad)")
            #expect(!odd.isEmpty && odd.allSatisfy { $0.words.contains("which may be a limit") }, "\(odd)")
        }
    }

    @Test("goes to a friend's portal on this machine only where its owner lets it", .timeLimit(.minutes(1)))
    func local() async throws {
        try await TestedPortal.run { portal, eventLoop in
            let friend = try Identity.random().publicKey
            try keyring.friends.addReach(to: EndpointKey(friend), name: "anna", portals: [portal.place])
            let known = try #require(try keyring.friends.find(friend))
            for allowsLocal in [false, true] {
                let findings = Mutex([Finding]())
                try await doctor(allowsLocal: allowsLocal) { finding in
                    findings.withLock { $0.append(finding) }
                }.examine(known, on: eventLoop)
                let said = findings.withLock(\.self)
                #expect(said.map(\.verdict) == (allowsLocal ? [.good, .bad] : [.bad]))
                #expect(said.first?.words.contains("nobody but you") == !allowsLocal)
            }
        }
    }
}
