internal import Multiserver
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Node
internal import TypedSodium

/// A real web service on the loopback interface, for the demo's endpoint to offer.
///
/// It serves a page at `/`, a few bytes at `/ping`, and at `/data` many bytes that look random, with their hash in
/// the field `Repr-Digest` (RFC 9530).
struct DemoSite: Sendable {
    typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

    /// A sentence of the page.
    static let sentence = "Hello from a machine without an open port."

    private let listener: any Channel

    /// Listens on a free port, and answers from then on.
    static func open(serving data: DemoBytes, on group: any EventLoopGroup) async throws -> DemoSite {
        let answers = DemoAnswers(data: data)
        let listener = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    let connection = try Connection(wrappingChannelSynchronously: channel)
                    // Taken on at once: NIO traps on a connection that comes while the demo ends, and that nobody
                    // executes. A visitor that breaks off is no failure of the site.
                    Task { try? await answers.answer(connection) }
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return DemoSite(listener: listener)
    }

    /// Where it listens.
    var port: Int { listener.localAddress?.port ?? 0 }

    /// Returns when it listens no more, at the latest when the task is cancelled.
    func serve() async throws {
        try await withTaskCancellationHandler {
            try await listener.closeFuture.get()
        } onCancel: {
            listener.close(promise: nil)
        }
    }
}

/// What the site answers.
private struct DemoAnswers: Sendable {
    private static let page = """
        <!doctype html>
        <title>Companionway</title>
        <p>\(DemoSite.sentence)</p>

        """

    let data: DemoBytes

    func answer(_ connection: DemoSite.Connection) async throws {
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
