import Multiserver
import NIOCore
import NIOPosix
import Node
import PeerSupport
import SecretHandshake
import Testing
import Transport
import Tunnel
import TypedSodium

extension Integration {
    @Suite("Many at once")
    struct CrowdTests {
        private static let count = 200

        @Test("200 tunnels at once carry each its own bytes")
        func tunnels() async throws {
            try await Stage.run { stage in
                // Strangers of one address have 64 places at an endpoint, members what is free; a friend has 64 sessions.
                let identities = try (0..<8).map { _ in try Identity.random() }
                for identity in identities {
                    try await stage.run(
                        home: "portal", ["portal", "members", "add", identity.publicKey.id])
                }
                let network = try await TestNetwork.start(
                    on: stage, services: ["echo": stage.service(.echo).port],
                    portalFlags: ["--connections-per-address", "300", "--handshakes-per-second", "1000"])
                let tunnel = try TunnelAddress(MultiserverAddress(network.target))
                let route = Route.tunnel(target: tunnel.target, ways: [.init(portal: network.portal.peer)])
                let connections = try await Self.connect(route, as: identities)
                #expect(connections.count == Self.count)
                let results = try await withThrowingTaskGroup(of: Bool.self) { tasks in
                    for (number, connection) in connections.enumerated() {
                        tasks.addTask { try await Self.exchange(number, over: connection) }
                    }
                    return try await tasks.reduce(into: []) { $0.append($1) }
                }
                #expect(results.count == Self.count && results.allSatisfy(\.self))
                await withTaskGroup { tasks in
                    for connection in connections { tasks.addTask { await connection.close() } }
                }
            }
        }

        /// Dials all at the same instant: an endpoint is called 16 times from one address, and the others wait.
        private static func connect(_ route: Route, as identities: [Identity]) async throws
            -> [PeerConnection]
        {
            let callers = identities.map { Caller(identity: $0, outerKey: .real, network: .scuttlebutt) }
            return try await withThrowingTaskGroup(of: PeerConnection.self) { tasks in
                for index in 0..<count {
                    let caller = callers[index % callers.count]
                    tasks.addTask {
                        try await caller.connect(route, on: MultiThreadedEventLoopGroup.singleton.next())
                    }
                }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
        }

        /// Whether the bytes of this number came back.
        private static func exchange(_ number: Int, over connection: PeerConnection) async throws -> Bool {
            let bytes = Pattern(byteCount: Pattern.chunkByteCount, seed: UInt64(number)).chunk(0)
            let outcome = Watched<Exchange.Outcome?>(nil)
            let loop = connection.link.eventLoop
            try await connection.link.open(.service("echo"), on: connection.session) { handle in
                let end = Exchange(handle, sending: bytes, outcome: outcome)
                // Only behind this call will the end be told what comes of its first bytes.
                loop.assumeIsolated().execute { end.resume() }
                return end
            }
            return try await outcome.first(within: .seconds(60)) { $0 } == .success(bytes)
        }
    }
}

/// Sends some bytes, and keeps what comes back.
private final class Exchange: StreamEnd {
    typealias Outcome = Result<ByteBuffer, StreamFailure>

    private let handle: StreamHandle
    private var unsent: ByteBuffer?
    private var received = ByteBuffer()
    private let outcome: Watched<Outcome?>

    init(_ handle: StreamHandle, sending bytes: ByteBuffer, outcome: Watched<Outcome?>) {
        self.handle = handle
        unsent = bytes
        self.outcome = outcome
    }

    func resume() {
        guard let bytes = unsent else { return }
        unsent = nil
        _ = handle.send(bytes)
        handle.sendEnd()
    }

    func receive(_ bytes: ByteBuffer) {
        received.writeImmutableBuffer(bytes)
        handle.drained(bytes.readableBytes)
    }

    func receiveEnd() {}

    func close(_ failure: StreamFailure?) {
        outcome.update { $0 = failure.map { .failure($0) } ?? .success(received) }
    }
}
