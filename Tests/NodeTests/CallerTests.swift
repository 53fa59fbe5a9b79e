import Blinding
import Invitation
import Keyring
import Multiserver
import MuxRPC
import NIOPosix
import Node
import SecretHandshake
import TestSupport
import Testing
import TypedSodium

@Suite("A caller of a hidden friend", .timeLimit(.minutes(1)))
struct CallerTests {
    private static let absent = ScriptedPortal.Answer.error("could not connect to:nobody")

    private let folder: TemporaryFolder
    private let identity: Identity
    private let friend: PublicKey
    private let shownKey: PublicKey
    private let keyring: Keyring

    init() throws {
        folder = try TemporaryFolder()
        identity = try Identity.random()
        friend = try Identity.random().publicKey
        shownKey = try Identity.random().publicKey
        keyring = try Keyring(
            folder: folder.path, owner: EndpointKey(identity.publicKey), now: WallClock.seconds())
    }

    /// Calls the friend through a portal with that script, and gives what came of it and what the portal was asked.
    private func call(
        shownKey: PublicKey?, busyTime: BusyTime = BusyTime(),
        _ script: @escaping ScriptedPortal.Script
    ) async throws -> (failure: HopFailure?, calls: [ScriptedPortal.Call]) {
        let portal = ScriptedPortal(script)
        var failure: HopFailure?
        try await portal.run { address in
            let place = try PortalAddress(
                key: PortalKey(address.key), host: address.net.host, port: address.net.port, isOpen: false,
                shownKey: shownKey)
            try keyring.friends.addReach(to: EndpointKey(friend), name: "anna", portals: [place])
            let resolver = RouteResolver(
                identity: identity, keyring: keyring, portals: [], allowsLocal: true)
            let route = try resolver.route(to: .friend(friend, at: nil))
            do {
                var caller = Caller(identity: identity, network: .scuttlebutt)
                caller.busyTime = busyTime
                let loop = MultiThreadedEventLoopGroup.singleton.next()
                await (try caller.connect(route, on: loop)).close()
            } catch let hop as HopFailure {
                failure = hop
            }
        }
        return (failure, portal.calls)
    }

    @Test("names to the portal the key that the friend shows there, where it is known")
    func shownKeys() async throws {
        for known in [nil, shownKey] {
            let (failure, calls) = try await call(shownKey: known) { _, _ in Self.absent }
            #expect(failure == .friendAbsent && !calls.isEmpty)
            for call in calls {
                #expect(call.name == ["tunnel", "connect"])
                #expect(call.argument?["by"]?.string == known?.id)
                let target = call.argument?["target"]?.string ?? ""
                #expect(target.hasSuffix(".token1") && !target.contains(friend.id))
            }
        }
    }

    @Test("asks a busy friend again on the same connection, and goes by the answer then")
    func busyTarget() async throws {
        let (failure, calls) = try await call(shownKey: shownKey) { _, count in
            count < 3 ? .error("busy: too many handshakes at once") : Self.absent
        }
        #expect(failure == .friendAbsent)
        #expect(calls.count > 3 && calls.allSatisfy { $0.connection == 0 })
    }

    @Test("asks a busy portal again on another connection")
    func busyPortal() async throws {
        let (failure, calls) = try await call(shownKey: shownKey) { call, _ in
            call.connection < 2 ? .error("busy: too many connections from your address") : Self.absent
        }
        #expect(failure == .friendAbsent)
        #expect(calls.filter { $0.connection < 2 }.map(\.connection) == [0, 1])
        #expect(calls.last?.connection == 2)
    }

    @Test("says of one that stays busy that it may be a limit, after some seconds")
    func staysBusy() async throws {
        let start = ContinuousClock.now
        let (failure, calls) = try await call(shownKey: shownKey) { _, _ in .error("busy") }
        #expect(failure == .busy("busy") && calls.count >= 6)
        #expect(ContinuousClock.now - start >= BusyTime().limit)
        #expect(failure?.description.contains("which may be a limit") == true)
    }

    @Test("asks six times in all, the portal and the friend together, where each takes long")
    func leastCount() async throws {
        let (failure, calls) = try await call(
            shownKey: shownKey, busyTime: BusyTime(limit: .zero, pause: .zero)
        ) { call, _ in
            .error(call.connection < 2 ? "busy: too many connections from your address" : "busy")
        }
        #expect(failure == .busy("busy"))
        #expect(calls.map(\.connection) == [0, 1, 2, 2, 2, 2])
    }

    @Test("names its own key to a peer of which it knows only where it listens, where told so alone")
    func direct() async throws {
        let portal = ScriptedPortal { _, _ in .error("no") }
        try await portal.run { address in
            for key in [Caller.OuterKey.fresh, .real] {
                let caller = Caller(identity: identity, outerKey: key, network: .scuttlebutt)
                let loop = MultiThreadedEventLoopGroup.singleton.next()
                let connection = try await caller.connect(.direct(address), on: loop)
                #expect(connection.portal == nil)
                await connection.close()
            }
        }
        #expect(portal.peers.count == 2 && portal.peers[0] != identity.publicKey)
        #expect(portal.peers[1] == identity.publicKey)
    }
}
