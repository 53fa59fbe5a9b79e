import Connection
import Multiserver
import NIOCore
import NIOPosix
import Node
import SecretHandshake
import TestSupport
import Testing
import TypedSodium

/// Over real sockets, with names that only these tests know.
@Suite("A portal with several addresses", .timeLimit(.minutes(1)))
struct PortalAddressTests {
    private let target: PublicKey

    init() throws { target = try Identity.random().publicKey }

    /// Calls somebody at a portal of that name, whose addresses are these.
    private func call(
        _ hosts: [String], of portal: PeerAddress, leadingTo addresses: [String] = [],
        by caller: Caller? = nil
    ) async throws -> HopFailure? {
        var caller = try caller ?? Caller(identity: .random(), network: .scuttlebutt)
        if !addresses.isEmpty {
            caller.addresses = AddressBook { net, _ in
                addresses.compactMap { try? SocketAddress(ipAddress: $0, port: Int(net.port)) }
            }
        }
        let ways = try hosts.map { host in
            Route.Way(
                portal: PeerAddress(net: try NetAddress(host: host, port: portal.net.port), key: portal.key))
        }
        do {
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            await (try caller.connect(.tunnel(target: target, ways: ways), on: loop)).close()
            return nil
        } catch let failure as HopFailure {
            return failure
        }
    }

    private func absent() -> ScriptedPortal {
        ScriptedPortal { _, _ in .error(ErrorText.couldNotConnect(to: "somebody")) }
    }

    @Test("is reached at whichever address of its name answers, on one connection")
    func records() async throws {
        let portal = absent()
        try await portal.run { address in
            for _ in 0..<8 {
                // Nothing listens at the others.
                let failure = try await call(
                    ["machines.test"], of: address, leadingTo: ["127.0.0.2", "127.0.0.1", "127.0.0.3"])
                guard case .targetAbsent? = failure else {
                    Issue.record("\(String(describing: failure))")
                    return
                }
            }
            #expect(portal.peers.count == 8)
        }
    }

    @Test("is said by its name where none of its addresses answers")
    func nobody() async throws {
        let portal = absent()
        try await portal.run { address in
            let failure = try await call(
                ["machines.test"], of: address, leadingTo: ["127.0.0.2", "127.0.0.3"])
            let words = try #require(failure?.description)
            #expect(words.contains("machines.test:\(address.net.port)"))
            #expect(portal.peers.isEmpty)
        }
    }

    @Test(
        "is tried at its next address where a machine cannot reach the target's, or once more where it has one"
    )
    func cutOff() async throws {
        let portal = ScriptedPortal { _, _ in .error(ErrorText.notReachable) }
        try await portal.run { address in
            let alone = try await call(["127.0.0.1"], of: address)
            #expect(alone == .cutOff && portal.peers.count == 2)
            let both = try await call(["127.0.0.1", "localhost"], of: address)
            #expect(both == .cutOff)
            #expect(portal.peers.count == 4)
        }
    }

    @Test("has one machine's word for all, whatever another's silence may hide")
    func word() async throws {
        let portal = absent()
        try await portal.run { address in
            // It takes connections, and says nothing.
            let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .bind(host: "127.0.0.4", port: Int(address.net.port)).get()
            let failure = try await call(
                ["machines.test"], of: address, leadingTo: ["127.0.0.1", "127.0.0.4"])
            guard case .targetAbsent? = failure else {
                Issue.record("\(String(describing: failure))")
                return
            }
            try await silent.close()
        }
    }
}
