import NIOCore
import NIOPosix
import PeerSupport
import TypedSodium

/// A TCP server of the test on the loopback interface, to stand behind an endpoint.
final class LocalService: Sendable {
    /// What it does with a connection.
    enum Kind: Sendable {
        /// Sends everything back.
        case echo
        /// Sends these bytes, then ends.
        case source(Pattern)
        /// Reads to the end, then answers with the SHA-256 hash in hexadecimal.
        case sink
    }

    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    let port: Int
    /// How many bytes a source has given to the system.
    let sentByteCount: Watched<Int>
    private let serving: Task<Void, any Error>

    private init(port: Int, sentByteCount: Watched<Int>, serving: Task<Void, any Error>) {
        self.port = port
        self.sentByteCount = sentByteCount
        self.serving = serving
    }

    /// Listens on a port of the system's choice.
    static func start(_ kind: Kind) async throws -> LocalService {
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try Connection(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        let sent = Watched(0)
        let serving = Task {
            try await withThrowingDiscardingTaskGroup { tasks in
                try await channel.executeThenClose { connections in
                    for try await connection in connections {
                        // A broken connection is the test's own doing, or shows at its other end.
                        tasks.addTask { try? await serve(connection, kind, sent) }
                    }
                }
            }
        }
        return LocalService(
            port: channel.channel.localAddress?.port ?? 0, sentByteCount: sent, serving: serving)
    }

    func stop() async {
        serving.cancel()
        _ = await serving.result
    }

    private static func serve(_ connection: Connection, _ kind: Kind, _ sent: Watched<Int>) async throws {
        try await connection.executeThenClose { inbound, _ in
            // Not through the outbound writer: what it has not written yet is lost when the channel is closed.
            let channel = connection.channel
            switch kind {
            case .echo:
                for try await bytes in inbound { try await channel.writeAndFlush(bytes) }
            case .source(let pattern):
                for index in 0..<pattern.chunkCount {
                    let chunk = pattern.chunk(index)
                    try await channel.writeAndFlush(chunk)
                    sent.update { $0 += chunk.readableBytes }
                }
            case .sink:
                try await channel.writeAndFlush(ByteBuffer(string: hash(of: inbound).hexadecimal))
            }
            try await channel.close(mode: .output)
        }
    }

    private static func hash(of inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async throws -> FixedBytes<
        32
    > {
        var hash = SHA256()
        for try await bytes in inbound { hash.update(bytes.readableBytesSpan) }
        return hash.finalize()
    }
}

extension FixedBytes<32> {
    var hexadecimal: String {
        array.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}
