import Foundation
import Multiserver
import NIOCore
import NIOPosix
import Node
import PeerSupport
import PortalCore
import SecretHandshake
import TestSupport
import Testing
import Transport
import TypedSodium

/// Two machines of one portal inside the test, each behind a forwarder that can fall silent as a machine does; they know
/// nothing of each other's nodes.
struct MachinePair: Sendable {
    struct Machine: Sendable {
        let portal: Portal
        let forwarder: Forwarder
        let address: PeerAddress
    }

    let machines: [Machine]

    /// The addresses of both, as one argument.
    var list: String { machines.map { "\($0.address)" }.joined(separator: ";") }

    /// Runs both for as long as `body` takes.
    static func run(_ body: (MachinePair) async throws -> Void) async throws {
        let identity = try Identity.random()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        var (servers, forwarders): ([PortalServer], [(Portal, Forwarder)]) = ([], [])
        for name in ["first", "second"] {
            var settings = PortalSettings(name: name) { Int64(WallClock.seconds()) * 1_000 }
            settings.neighbours = NoNeighbours()
            let portal = Portal(identity: identity, network: .scuttlebutt, settings: settings)
            let server = try await PortalServer.start(
                portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: group)
            servers.append(server)
            let net = try NetAddress(host: "127.0.0.1", port: UInt16(server.port))
            forwarders.append((portal, Forwarder(to: net)))
        }
        let result: Result<Void, any Error>
        do {
            try await forwarders[0].1.run { first in
                try await forwarders[1].1.run { second in
                    let machines = zip(forwarders, [first, second]).map { machine, net in
                        Machine(
                            portal: machine.0, forwarder: machine.1,
                            address: PeerAddress(net: net, key: identity.publicKey))
                    }
                    try await body(MachinePair(machines: machines))
                }
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        for server in servers { await server.close() }
        try await group.shutdownGracefully()
        try result.get()
    }

    /// The machine where an endpoint is announced that says where it is connected, and the other one.
    func holder(of home: String, on stage: Stage) async throws -> (holder: Machine, other: Machine) {
        let status = try await stage.run(home: home, ["status", "--json"])
        let isFirst = status.contains("\"connectedTo\":\"\(machines[0].address.net.hostAndPort)\"")
        return isFirst ? (machines[0], machines[1]) : (machines[1], machines[0])
    }
}

/// Others that have nobody.
private struct NoNeighbours: PortalNeighbours {
    func announced(_ peer: PublicKey, _ manner: NeighbourManner) {}

    func left(_ peer: PublicKey) {}

    func lookUp(
        _ target: NeighbourTarget, for caller: NeighbourCaller,
        take: @escaping @Sendable (NeighbourStep) -> Void
    ) -> NeighbourLookUp {
        take(.missed)
        return NeighbourLookUp(1)
    }

    func failed(_ lookUp: NeighbourLookUp, _ failure: NeighbourFailure) {}

    func end(_ lookUp: NeighbourLookUp) {}
}

extension LocalConnection {
    /// Dials a port again and again until a text comes back; how long that took from `start` on.
    static func freshCall(to port: Int, since start: ContinuousClock.Instant) async throws -> Duration {
        while true {
            try Task.checkCancellation()
            // One that stays on a connection which is dead ends in an error, or is given up for the next.
            if let connection = try? await dial(port) {
                try? await connection.send("fresh")
                let answer = try? await connection.text(5, within: .seconds(1))
                await connection.close()
                if answer == "fresh" { return ContinuousClock.now - start }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
