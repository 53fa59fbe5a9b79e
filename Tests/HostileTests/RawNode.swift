import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import SecretHandshake
import SecureSession
import TypedSodium

/// A node of the tests on a real socket: it answers what comes, floods who asks for it, and reads or does not.
///
/// It knows no credit, as programs in JavaScript do not.
final class RawNode: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A packet that begins with it asks for a flood.
    static let floodWord = UInt8(ascii: "f")

    private let session: SecureSession
    private let established: EventLoopPromise<Void>
    private var context: ChannelHandlerContext?
    private var flooded: Set<StreamID> = []
    private let flood = ByteBuffer(repeating: 7, count: 64 << 10)
    /// The stream on which echoes are awaited, since when the last one is, and how long they took.
    private var ping: (stream: StreamID, since: NIODeadline)?
    private var answered: EventLoopPromise<TimeAmount>?

    private init(_ session: SecureSession, established: EventLoopPromise<Void>) {
        self.session = session
        self.established = established
    }

    /// Connects to a portal; done when the handshake is.
    static func connect(
        to portal: PublicKey, port: Int, as identity: Identity, network: NetworkIdentifier,
        on loop: any EventLoop
    ) async throws -> NIOLoopBound<RawNode> {
        let established = loop.makePromise(of: Void.self)
        let node = loop.makePromise(of: NIOLoopBound<RawNode>.self)
        let connected = ClientBootstrap(group: loop).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let session = try SecureSession(
                    dialling: portal, as: identity, network: network,
                    manifest: ["tunnel.connect": .duplex, "tunnel.ping": .async])
                let handler = RawNode(session, established: established)
                try channel.pipeline.syncOperations.addHandler(handler)
                node.succeed(NIOLoopBound(handler, eventLoop: channel.eventLoop))
            }
        }.connect(host: "127.0.0.1", port: port)
        connected.whenFailure {
            established.fail($0)
            node.fail($0)
        }
        try await established.futureResult.get()
        return try await node.futureResult.get()
    }

    /// Announces itself openly.
    func announce() throws {
        _ = try session.muxrpc.call(["tunnel", "announce"], [])
        pump()
    }

    /// Opens a tunnel.
    func open(to target: PublicKey) throws -> StreamID {
        defer { pump() }
        return try session.muxrpc.open(.duplex, ["tunnel", "connect"], [["target": .string(target.id)]])
    }

    /// Sends a packet, and waits for the next one that comes on the stream; how long that took.
    func echo(_ text: String, on stream: StreamID) -> EventLoopFuture<TimeAmount> {
        guard let context else { preconditionFailure("a connected node has a channel") }
        let promise = context.eventLoop.makePromise(of: TimeAmount.self)
        ping = (stream, .now())
        answered = promise
        send(text, on: stream)
        return promise.futureResult
    }

    /// Sends a packet.
    func send(_ text: String, on stream: StreamID) {
        session.send(ByteBuffer(string: text), on: stream)
        pump()
    }

    /// Ends a stream.
    func end(_ stream: StreamID) {
        session.muxrpc.end(stream)
        pump()
    }

    /// Reads no more.
    func stopReading() { _ = context?.channel.setOption(.autoRead, value: false) }

    /// Breaks the connection.
    func close() { context?.close(promise: nil) }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) { pump() }

    func channelWritabilityChanged(context: ChannelHandlerContext) { pump() }

    func channelInactive(context: ChannelHandlerContext) {
        established.fail(ChannelError.eof)
        answered?.fail(ChannelError.eof)
        answered = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        session.receive(unwrapInboundIn(data))
        do {
            while let event = try session.next() { note(event) }
        } catch {
            context.close(promise: nil)
        }
        pump()
    }

    private func note(_ event: SecureSession.Event) {
        switch event {
        case .established: established.succeed()
        case .packet(let stream, _):
            var body = ByteBuffer()
            session.openPacket(into: &body)
            if stream.isOurs {
                guard let ping, ping.stream == stream else { return }
                answered?.succeed(.now() - ping.since)
                answered = nil
            } else if body.readableBytesView.first == Self.floodWord {
                flooded.insert(stream)
            } else {
                session.send(body, on: stream)
            }
        case .session(.request(let request)):
            if request.name == ["tunnel", "ping"] { session.muxrpc.fail(request.number, message: "here") }
        case .session(.ended(let stream, _)):
            flooded.remove(stream)
            if ping?.stream == stream {
                answered?.fail(ChannelError.inputClosed)
                answered = nil
            }
        case .client, .proof, .session, .ended: break
        }
    }

    private func pump() {
        guard let context, context.channel.isActive else { return }
        while context.channel.isWritable {
            if let bytes = session.nextOutbound() {
                context.write(wrapOutboundOut(bytes), promise: nil)
            } else if let stream = flooded.first {
                session.send(flood, on: stream)
            } else {
                break
            }
        }
        context.flush()
    }
}

@available(*, unavailable)
extension RawNode: Sendable {}
