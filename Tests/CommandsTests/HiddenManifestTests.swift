import Commands
import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import SecretHandshake
import SecureSession
import Sodium
import Testing

@Suite("cway call, of a peer that shows no manifest", .timeLimit(.minutes(1)))
struct HiddenManifestTests {
    private let folder = TemporaryPath()

    private func call(_ address: PeerAddress, _ arguments: String...) async -> CommandRun {
        await CommandRun(["call", "--home", folder.path, address.description] + arguments)
    }

    @Test("knows the methods that ssb programs have in common, and says what others may be")
    func kinds() async throws {
        try await HidingPeer.run { address in
            let changes = await call(address, "blobs.changes")
            #expect(changes.ended(.success) && changes.output == "\"one\"\n\"two\"\n", "\(changes)")
            #expect(await call(address, "tunnel.isRoom").output == "true\n")
            let duplex = await call(address, "gossip.ping")
            #expect(duplex.ended(.usage) && duplex.complaints.contains("duplex"))

            let unknown = await call(address, "its.own")
            #expect(unknown.ended(.methodFailed), "\(unknown)")
            #expect(unknown.complaints.contains("no async:its,own: it may be a source, so try --source"))
            #expect(await call(address, "its.own", "--source").output == "\"one\"\n\"two\"\n")
            let wrong = await call(address, "tunnel.isRoom", "--source")
            #expect(wrong.ended(.methodFailed) && wrong.complaints.contains("leave out --source"))
        }
    }

    @Test("takes bytes of a source in pieces")
    func longBytes() async throws {
        try await HidingPeer.run { address in
            let run = await call(address, "blobs.get", "\"&x\"")
            let pieces = [65536, 34464].map {
                "{\"base64\":\"\(Base64.text(of: [UInt8](repeating: 7, count: $0)))\"}\n"
            }
            #expect(run.ended(.success) && run.output == pieces.joined())
        }
    }
}

/// A peer on the loopback interface whose sources have two items, and whose manifest says nothing of its methods.
private final class HidingPeer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: SecureSession

    init(_ identity: Identity) {
        let sources = ["blobs.changes", "blobs.get", "its.own"].map { ($0, MethodKind.source) }
        let methods = sources + [("tunnel.isRoom", .async)]
        // In the tree a method that has others below it is no method, so that the answer says nothing of it.
        let manifest = Manifest(
            (methods + methods.map { ($0.0 + ".more", $0.1) }).map { (name: $0.0, kind: $0.1) })
        session = SecureSession(answeringAs: identity, network: .scuttlebutt, manifest: manifest)
        var limits = Limits()
        limits.streamBodyByteCount = .max
        session.muxrpc = Session(manifest: manifest, limits: limits)
    }

    /// Listens for as long as `body` takes, which is told where.
    static func run(_ body: (PeerAddress) async throws -> Void) async throws {
        let identity = try Identity.random()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(HidingPeer(identity))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let net = try NetAddress(host: "127.0.0.1", port: UInt16(listener.localAddress?.port ?? 0))
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(PeerAddress(net: net, key: identity.publicKey)))
        } catch {
            result = .failure(error)
        }
        try await listener.close().get()
        try result.get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        session.receive(unwrapInboundIn(data))
        do {
            while let event = try session.next() {
                switch event {
                case .client: try session.accept()
                case .session(.request(let request)): try answer(request)
                case .ended: session.close()
                default: break
                }
            }
        } catch {
            return context.close(promise: nil)
        }
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
        if session.isFinished { context.close(promise: nil) }
    }

    private func answer(_ request: Request) throws {
        guard request.kind == .source else {
            return try session.muxrpc.reply(to: request.number, with: true)
        }
        if request.name == ["blobs", "get"] {
            try session.muxrpc.send(ByteBuffer(repeating: 7, count: 100_000), on: request.stream)
        } else {
            for item in ["one", "two"] { try session.muxrpc.send(.string(item), on: request.stream) }
        }
        session.muxrpc.end(request.stream)
    }
}
