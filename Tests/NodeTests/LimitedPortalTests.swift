import Blinding
import Invitation
import Keyring
import Logging
import Multiserver
import NIOCore
import NIOPosix
import Node
import SecretHandshake
import Synchronization
import TestSupport
import Testing
import Transport
import TypedSodium

/// A portal at which an address has as many connections as it may.
@Suite("A portal that limits", .timeLimit(.minutes(1)))
struct LimitedPortalTests {
    /// Runs a portal that ends the first connections at once, as one does that has no place for them.
    private func refusing(
        _ count: Int, _ body: (PeerAddress, @escaping @Sendable () -> Int) async throws -> Void
    ) async throws {
        try await TestedPortal.run { portal, _ in
            let seen = Mutex(0)
            let forwarder = Forwarder(to: portal.address.net) {
                seen.withLock { seen in
                    seen += 1
                    return seen <= count
                }
            }
            try await forwarder.run { net in
                try await body(PeerAddress(net: net, key: portal.address.key)) { seen.withLock(\.self) }
            }
        }
    }

    private var loop: any EventLoop { MultiThreadedEventLoopGroup.singleton.next() }

    @Test("is dialled again while it ends connections at once, by each of fifty at a time")
    func fifty() async throws {
        try await refusing(500) { address, count in
            let lateCount = try await withThrowingTaskGroup(of: Int.self) { tasks in
                for _ in 0..<50 {
                    tasks.addTask {
                        var caller = Caller(identity: try .random(), network: .scuttlebutt)
                        // As long as it takes, on whatever machine: also where a handshake is not over in its ten seconds.
                        caller.busyTime = BusyTime(limit: .seconds(60), pause: .milliseconds(1))
                        for lateCount in 0..<5 {
                            do {
                                let connection = try await caller.connect(
                                    .direct(address), on: MultiThreadedEventLoopGroup.singleton.next())
                                await connection.close()
                                return lateCount
                            } catch HopFailure.unreachable where lateCount < 4 {}
                        }
                        return 5
                    }
                }
                return try await tasks.reduce(0, +)
            }
            #expect((550...550 + lateCount).contains(count()))
        }
    }

    @Test("that goes on so is said to be at a limit, maybe, after 5 s", arguments: [BusyTime().limit, .zero])
    func goesOn(_ limit: Duration) async throws {
        try await refusing(.max) { address, count in
            let start = ContinuousClock.now
            var caller = Caller(identity: try .random(), network: .scuttlebutt)
            if limit == .zero { caller.busyTime = BusyTime(limit: .zero, pause: .zero) }
            do {
                await (try caller.connect(.direct(address), on: loop)).close()
                Issue.record("nobody is let in")
            } catch let failure as HopFailure {
                #expect(failure == .outerHandshakeRefused(address.net, answered: false))
                #expect("\(failure)".contains("it may be at a limit"))
            }
            #expect(ContinuousClock.now - start >= limit)
            #expect(limit == .zero ? count() == 6 : count() >= 6)
        }
    }

    @Test("is not called bad by the doctor")
    func doctor() async throws {
        let folder = try TemporaryFolder()
        let identity = try Identity.random()
        let keyring = try Keyring(
            folder: folder.path, owner: EndpointKey(identity.publicKey), now: WallClock.seconds())
        for count in [1, Int.max] {
            try await refusing(count) { address, _ in
                let place = try PortalAddress(
                    key: PortalKey(address.key), host: address.net.host, port: address.net.port, isOpen: false
                )
                try keyring.portals.add(place, now: WallClock.seconds())
                let findings = Mutex([Finding]())
                let doctor = Doctor(
                    identity: identity, keyring: keyring, settings: Settings(), servingProcess: nil,
                    logger: Logger(label: "test")
                ) { finding in findings.withLock { $0.append(finding) } }
                try await doctor.examineNode(on: loop)
                let said = findings.withLock(\.self).filter { $0.hop.hasPrefix("portal ") }
                #expect(said.first?.verdict == (count == 1 ? .good : .odd), "\(said)")
                #expect(!said.contains { $0.verdict == .bad })
                _ = try keyring.portals.remove(place.key)
            }
        }
    }
}
