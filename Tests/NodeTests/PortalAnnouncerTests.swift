import Blinding
import Keyring
import Logging
import Multiserver
import NIOPosix
import Node
import SecretHandshake
import ServiceLifecycle
import TestSupport
import Testing
import TypedSodium

@Suite("A hidden endpoint at a portal", .timeLimit(.minutes(1)))
struct PortalAnnouncerTests {
    /// A portal that cannot hide anybody is left alone for a minute; one that is busy has said nothing about that.
    @Test("comes back soon to one that is busy", .timeLimit(.minutes(5)))
    func busy() async throws {
        let folder = try TemporaryFolder()
        let identity = try Identity.random()
        let keyring = try Keyring(
            folder: folder.path, owner: EndpointKey(identity.publicKey), now: WallClock.seconds())
        try keyring.friends.admit(
            Identity.random().publicKey, name: "anna", services: .all, now: WallClock.seconds())
        let portal = ScriptedPortal { _, _ in .error("busy: too many connections from your address") }
        try await portal.run { address in
            var settings = Settings()
            settings.portals = [address]
            let endpoint = EndpointService(
                .init(identity: identity, settings: settings, keyring: keyring),
                group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test")
            ) { _ in }
            let services = ServiceGroup(services: [endpoint], logger: Logger(label: "test"))
            let serving = Task { try await services.run() }
            while portal.peers.isEmpty { try await Task.sleep(for: .milliseconds(20)) }
            // Two pauses of a minute would be longer, however busy the machine is.
            let limit = ContinuousClock.now + .seconds(100)
            while portal.peers.count < 3, ContinuousClock.now < limit {
                try await Task.sleep(for: .milliseconds(20))
            }
            await services.triggerGracefulShutdown()
            _ = await serving.result
            #expect(portal.peers.count >= 3)
            // It shows its pseudonym each time, and has asked for nothing that would tell more.
            #expect(Set(portal.peers).count == 1 && portal.peers[0] != identity.publicKey)
            #expect(portal.calls.allSatisfy { $0.name == ["room", "metadata"] })
        }
    }
}
