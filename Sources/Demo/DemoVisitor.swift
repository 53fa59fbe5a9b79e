internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Node

/// A small web client: one connection to a local port, one request after another.
struct DemoVisitor {
    typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    /// How much is read ahead, in parts: more than by default, for throughput.
    private static let readAhead = NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark(
        lowWatermark: 16, highWatermark: 64)

    private let port: Int
    private let requests: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>
    private var responses: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator

    /// Connects, and closes when `body` has returned.
    static func visit<Value: Sendable>(
        port: Int, on group: any EventLoopGroup,
        _ body: @Sendable (inout DemoVisitor) async throws -> Value
    ) async throws -> Value {
        let connection = try await ClientBootstrap(group: group)
            .connectTimeout(.seconds(3))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try Connection(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(backPressureStrategy: readAhead))
                }
            }
        return try await connection.executeThenClose { responses, requests in
            var visitor = DemoVisitor(
                port: port, requests: requests, responses: responses.makeAsyncIterator())
            return try await body(&visitor)
        }
    }

    /// What a request for a path says, for looking whether a portal can read it.
    static func wordsOfRequest(for path: String) -> [String] {
        ["GET \(path)", "HTTP/1.1", "host: 127.0.0.1", "user-agent: cway"]
    }

    /// Requests a path, and lets `take` have the body piece by piece.
    ///
    /// - Returns: the head of the answer, whose status is 200.
    /// - Throws: ``CommandFailure`` for another status, or where the connection ends in the middle.
    mutating func fetch(_ path: String, _ take: (ByteBuffer) -> Void) async throws -> HTTPResponseHead {
        let headers: HTTPHeaders = ["host": "127.0.0.1:\(port)", "user-agent": "cway-demo"]
        try await requests.write(
            contentsOf: [
                .head(.init(version: .http1_1, method: .GET, uri: path, headers: headers)), .end(nil),
            ])
        var head: HTTPResponseHead?
        while let part = try await responses.next() {
            switch part {
            case .head(let received):
                guard received.status == .ok else {
                    throw CommandFailure(.unexpected, "the answer to \(path) was \(received.status)")
                }
                head = received
            case .body(let bytes): take(bytes)
            case .end:
                if let head { return head }
            }
        }
        throw CommandFailure(.connectionLost, "the connection ended in the middle of \(path)")
    }
}
