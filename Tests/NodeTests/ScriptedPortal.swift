import MuxRPC
import Multiserver
import NIOCore
import NIOPosix
import SecretHandshake
import SecureSession
import Sodium
import Synchronization

/// A portal on the loopback interface that answers every call with an error from a script, and notes what was asked.
final class ScriptedPortal: Sendable {
    /// A call as it came.
    struct Call {
        /// Which of the portal's connections it came on, from 0 on.
        let connection: Int
        let name: [String]
        let argument: JSONValue?
    }

    private struct Notes {
        var connectionCount = 0
        var calls: [Call] = []
        var peers: [PublicKey] = []
    }

    private let identity: Identity
    private let script: @Sendable (Call, Int) -> String
    private let notes = Mutex(Notes())

    /// A portal that has for a call, and so many before it, this error.
    init(_ script: @escaping @Sendable (Call, Int) -> String) throws {
        identity = try .random()
        self.script = script
    }

    /// Listens for as long as `body` takes, which is told where.
    func run(_ body: (PeerAddress) async throws -> Void) async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    let number = notes.withLock { notes in
                        defer { notes.connectionCount += 1 }
                        return notes.connectionCount
                    }
                    let connection = ScriptedConnection(as: identity) { [self] peer in
                        notes.withLock { $0.peers.append(peer) }
                    } answer: { [self] name, argument in
                        answer(to: Call(connection: number, name: name, argument: argument))
                    }
                    try channel.pipeline.syncOperations.addHandler(connection)
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

    /// What was asked so far.
    var calls: [Call] { notes.withLock(\.calls) }

    /// Who came, in order.
    var peers: [PublicKey] { notes.withLock(\.peers) }

    private func answer(to call: Call) -> String {
        let count = notes.withLock { notes in
            notes.calls.append(call)
            return notes.calls.count - 1
        }
        return script(call, count)
    }
}

/// One connection of a scripted portal.
private final class ScriptedConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: SecureSession
    private let meet: (PublicKey) -> Void
    private let answer: ([String], JSONValue?) -> String

    init(
        as identity: Identity, meet: @escaping (PublicKey) -> Void,
        answer: @escaping ([String], JSONValue?) -> String
    ) {
        session = SecureSession(
            answeringAs: identity, network: .scuttlebutt,
            manifest: ["tunnel.connect": .duplex, "room.metadata": .async, "tunnel.ping": .async])
        self.meet = meet
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        session.receive(unwrapInboundIn(data))
        do {
            while let event = try session.next() {
                switch event {
                case .client(let peer):
                    meet(peer)
                    try session.accept()
                case .session(.request(let request)):
                    let words = answer(request.name, request.arguments.first)
                    if request.kind == .async {
                        session.muxrpc.fail(request.number, message: words)
                    } else {
                        session.muxrpc.fail(request.stream, message: words)
                    }
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
}
