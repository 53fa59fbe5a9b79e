import Blinding
import Keyring
import Logging
import Node
import Synchronization
import Testing
import TypedSodium

/// A keyring that a node served from while the clock was two days ahead.
@Suite("The doctor and keys of a later day")
struct DoctorKeyTests: Sendable {
    private let folder: TemporaryFolder
    private let identity: Identity
    private let now = WallClock.seconds()

    init() throws {
        folder = try TemporaryFolder()
        identity = try Identity.random()
        _ = try open(.serving, at: now)
        _ = try open(.serving, at: now + 2 * 86_400)
    }

    private func open(_ purpose: Keyring.Purpose, at time: UInt64) throws -> Keyring {
        try Keyring(
            folder: folder.path, owner: EndpointKey(identity.publicKey), for: purpose, now: time)
    }

    @Test("replaces them once a portal has confirmed the clock, and not before", .timeLimit(.minutes(1)))
    func replaces() async throws {
        let keyring = try open(.changing, at: now)
        let today = Epoch(unixSeconds: now)
        #expect(throws: KeyringError.self) { _ = try keyring.circle.ownAddressing(at: today) }
        #expect(try await verdicts(keyring) == [.bad])
        try await TestedPortal.run { portal, eventLoop in
            try keyring.portals.add(portal.place, now: now)
            #expect(try await verdicts(keyring) == [.odd])
            _ = try keyring.circle.ownAddressing(at: Epoch(unixSeconds: WallClock.seconds()))
            #expect(try await verdicts(keyring) == [.good])
        }
    }

    /// What the doctor says of the address.
    private func verdicts(_ keyring: Keyring) async throws -> [Finding.Verdict] {
        let findings = Mutex([Finding]())
        var settings = Settings()
        settings.allowLocal = true
        let doctor = Doctor(
            identity: identity, keyring: keyring, settings: settings, servingProcess: nil,
            logger: Logger(label: "test")
        ) { finding in findings.withLock { $0.append(finding) } }
        try await TestedPortal.run { _, eventLoop in try await doctor.examineNode(on: eventLoop) }
        return findings.withLock(\.self).filter { $0.hop == "address" }.map(\.verdict)
    }
}
