internal import Multiserver
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Node
internal import Sodium

/// A real web service on the loopback interface, for the demo's endpoint to offer.
///
/// It serves a page at `/`, a few bytes at `/ping`, and at `/data` many bytes that look random, with their hash in
/// the field `Repr-Digest` (RFC 9530).
struct DemoSite: Sendable {
    typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

    /// A sentence of the page.
    static let sentence = "Hello from a machine without an open port."
    private static let page = """
        <!doctype html>
        <title>Companionway</title>
        <p>\(sentence)</p>

        """

    private let listener: NIOAsyncChannel<Connection, Never>
    private let data: DemoBytes

    /// Listens on a free port.
    static func open(serving data: DemoBytes, on group: any EventLoopGroup) async throws -> DemoSite {
        let listener = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                return try Connection(wrappingChannelSynchronously: channel)
            }
        }
        return DemoSite(listener: listener, data: data)
    }

    /// Where it listens.
    var port: Int { listener.channel.localAddress?.port ?? 0 }

    /// Serves until the task is cancelled.
    func serve() async throws {
        try await listener.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { tasks in
                for try await connection in connections {
                    // A visitor that breaks off is no failure of the site.
                    tasks.addTask { try? await answer(connection) }
                }
            }
        }
    }

    private func answer(_ connection: Connection) async throws {
        try await connection.executeThenClose { requests, responses in
            for try await case .head(let request) in requests {
                try await answer(request, to: responses)
            }
        }
    }

    private func answer(
        _ request: HTTPRequestHead, to responses: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    ) async throws {
        switch request.uri {
        case "/": try await send(ByteBuffer(string: Self.page), type: "text/html", to: responses)
        case "/ping": try await send(ByteBuffer(string: "pong"), type: "text/plain", to: responses)
        case "/data": try await sendData(to: responses)
        default:
            let headers: HTTPHeaders = ["content-length": "0"]
            try await responses.write(.head(.init(version: .http1_1, status: .notFound, headers: headers)))
            try await responses.write(.end(nil))
        }
    }

    private func send(
        _ body: ByteBuffer, type: String, to responses: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    ) async throws {
        let headers: HTTPHeaders = ["content-type": type, "content-length": "\(body.readableBytes)"]
        try await responses.write(
            contentsOf: [
                .head(.init(version: .http1_1, status: .ok, headers: headers)), .body(.byteBuffer(body)),
                .end(nil),
            ])
    }

    /// Streams: a write waits until the tunnel has taken enough of what came before.
    private func sendData(to responses: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>) async throws {
        let headers: HTTPHeaders = [
            "content-type": "application/octet-stream", "content-length": "\(data.byteCount)",
            "repr-digest": try await data.digest,
        ]
        try await responses.write(.head(.init(version: .http1_1, status: .ok, headers: headers)))
        var unsent = data.bytes
        while let piece = unsent.next(limit: 1 << 16) {
            try await responses.write(.body(.byteBuffer(piece)))
        }
        try await responses.write(.end(nil))
    }
}

/// The bytes that the demo transfers, and their hash, which is computed while the demo does something else.
struct DemoBytes: Sendable {
    let byteCount: Int
    let bytes: TestBytes
    private let hashing: Task<FixedBytes<32>, any Error>

    init(byteCount: Int) {
        let bytes = TestBytes(seed: .random(in: 0 ... .max), byteCount: byteCount)
        self.byteCount = byteCount
        self.bytes = bytes
        hashing = Task(priority: .utility) {
            var unhashed = bytes
            var hash = SHA256()
            while let piece = unhashed.next(limit: 1 << 20) {
                try Task.checkCancellation()
                hash.update(piece.readableBytesSpan)
            }
            return hash.finalize()
        }
    }

    /// The hash as `Repr-Digest` writes it.
    var digest: String {
        get async throws { Self.digest(of: try await hashing.value) }
    }

    static func digest(of hash: FixedBytes<32>) -> String { "sha-256=:\(Base64.text(of: hash.array)):" }

    /// Nobody wants to know any more.
    func cancel() { hashing.cancel() }
}
