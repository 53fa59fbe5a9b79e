import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import SecretHandshake
import SecureSession
import TypedSodium

/// A connection to a portal, with sessions in its tunnels, that says and reads what an attack needs.
final class HostileCaller: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let outer: SecureSession
    private(set) var sessions: [StreamID: SecureSession] = [:]
    /// How the streams inside the sessions ended, and the tunnels.
    private(set) var endings: [String] = []
    /// How many answers have come, in the sessions and outside.
    private(set) var replyCount = 0
    /// The last answer inside a session.
    private(set) var lastReply: Reply?
    /// How many bytes have come in tunnels in which there is no session.
    private(set) var tunnelByteCount = 0
    /// Says more for as long as the socket takes it; `false` when there is nothing more to say.
    var feed: ((HostileCaller) throws -> Bool)?
    /// How long it waits before it says more, so that an unoptimised victim is not just short of time.
    var pause: TimeAmount?

    private let portal: PublicKey
    private let network: NetworkIdentifier
    private var context: ChannelHandlerContext?
    private let established: EventLoopPromise<Void>
    private var expected: [StreamID: EventLoopPromise<StreamID>] = [:]
    private var awaitedEnds: [StreamID: EventLoopPromise<Void>] = [:]
    private var isPumping = false
    private var isWaiting = false

    private init(
        _ outer: SecureSession, to portal: PublicKey, network: NetworkIdentifier,
        established: EventLoopPromise<Void>
    ) {
        self.outer = outer
        self.portal = portal
        self.network = network
        self.established = established
    }

    /// Connects from 127.0.0.`host`; done when the handshake is.
    static func connect(
        to portal: PeerAddress, network: NetworkIdentifier, from host: Int, as identity: Identity? = nil,
        on loop: any EventLoop
    ) async throws -> Attacker {
        let established = loop.makePromise(of: Void.self)
        let session = try NIOLoopBoundBox.makeBoxSendingValue(
            SecureSession(
                dialling: portal.key, as: identity ?? .drawn(), network: network,
                manifest: ["tunnel.connect": .duplex, "tunnel.ping": .async]), eventLoop: loop)
        let caller = loop.makePromise(of: NIOLoopBound<HostileCaller>.self)
        do {
            let channel = try await ClientBootstrap(group: loop).channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = HostileCaller(
                        session.value, to: portal.key, network: network, established: established)
                    try channel.pipeline.syncOperations.addHandler(handler)
                    caller.succeed(NIOLoopBound(handler, eventLoop: channel.eventLoop))
                }
            }
            .bind(to: SocketAddress(ipAddress: "127.0.0.\(host)", port: 0))
            .connect(to: SocketAddress(ipAddress: "127.0.0.1", port: Int(portal.net.port))).get()
            try await established.futureResult.get()
            return Attacker(caller: try await caller.futureResult.get(), channel: channel)
        } catch {
            established.fail(error)
            caller.fail(error)
            throw error
        }
    }

    // MARK: What it does

    /// Opens a tunnel by an id, with a session as somebody in it; done when that stands.
    func openSession(to target: PublicKey, as identity: Identity) throws -> EventLoopFuture<StreamID> {
        guard let context else { throw ChannelError.ioOnClosedChannel }
        let tunnel = try openTunnel(to: target)
        sessions[tunnel] = try SecureSession(
            dialling: target, as: identity, network: network, manifest: [:], framing: .tunnelled)
        let promise = context.eventLoop.makePromise(of: StreamID.self)
        expected[tunnel] = promise
        return promise.futureResult
    }

    /// Opens a tunnel by an id, and says nothing in it.
    func openTunnel(to target: PublicKey) throws -> StreamID {
        let argument: JSONValue = ["portal": .string(portal.id), "target": .string(target.id)]
        return try outer.muxrpc.open(.duplex, ["tunnel", "connect"], [argument])
    }

    /// Done when a tunnel has ended.
    func end(of tunnel: StreamID) throws -> EventLoopFuture<Void> {
        guard let context else { throw ChannelError.ioOnClosedChannel }
        let promise = awaitedEnds[tunnel] ?? context.eventLoop.makePromise()
        if sessions[tunnel] == nil { promise.succeed() } else { awaitedEnds[tunnel] = promise }
        return promise.futureResult
    }

    /// Opens a stream in a session.
    func open(_ name: String, _ arguments: [JSONValue] = [], in tunnel: StreamID) throws -> StreamID {
        guard let session = sessions[tunnel] else { throw ChannelError.inputClosed }
        return try session.muxrpc.open(.duplex, name.split(separator: ".").map(String.init), arguments)
    }

    /// Sends all that a session has to say but the last of it, so that a packet does not come whole.
    func sendCut(_ tunnel: StreamID) {
        guard let frames = sessions[tunnel]?.nextBatch()?.bodies else { return }
        for frame in frames.dropLast() { outer.send(frame, on: tunnel) }
    }

    /// The same for the connection itself: all but the last byte.
    func sendCutOutside() {
        guard let context, let bytes = outer.nextOutbound() else { return }
        let piece = bytes.getSlice(at: bytes.readerIndex, length: bytes.readableBytes - 1)
        context.writeAndFlush(wrapOutboundOut(piece ?? bytes), promise: nil)
    }

    /// Reads no more.
    func stopReading() { _ = context?.channel.setOption(.autoRead, value: false) }

    /// Reads so many bytes in a tenth of a second.
    func read(_ byteCount: Int) {
        guard let context else { return }
        let allocator = FixedSizeRecvByteBufferAllocator(capacity: byteCount)
        _ = context.channel.setOption(.recvAllocator, value: allocator)
        _ = context.channel.setOption(.maxMessagesPerRead, value: 1)
        stopReading()
        readNext()
    }

    private func readNext() {
        guard let context else { return }
        context.read()
        context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(100)) { [weak self] in
            self?.readNext()
        }
    }

    // MARK: The wire

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) { pump() }

    func channelWritabilityChanged(context: ChannelHandlerContext) { pump() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        outer.receive(unwrapInboundIn(data))
        do {
            while let event = try outer.next() { note(event) }
        } catch {
            context.close(promise: nil)
        }
        pump()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        established.fail(ChannelError.eof)
        for promise in expected.values { promise.fail(ChannelError.eof) }
        for promise in awaitedEnds.values { promise.fail(ChannelError.eof) }
        (expected, awaitedEnds) = ([:], [:])
        sessions = [:]
        feed = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func note(_ event: SecureSession.Event) {
        switch event {
        case .established: established.succeed()
        case .packet(let tunnel, _):
            var body = ByteBuffer()
            outer.openPacket(into: &body)
            receive(body, in: tunnel)
        case .session(.request(let request)):
            if request.name == ["tunnel", "ping"] { outer.muxrpc.fail(request.number, message: "here") }
        case .session(.ended(let tunnel, let error)):
            endings.append(error?.message ?? "")
            sessions[tunnel] = nil
            expected.removeValue(forKey: tunnel)?.fail(error ?? RemoteError("ended"))
            awaitedEnds.removeValue(forKey: tunnel)?.succeed()
        case .session(.reply): replyCount += 1
        case .client, .proof, .session, .ended: break
        }
    }

    private func receive(_ body: ByteBuffer, in tunnel: StreamID) {
        guard let session = sessions[tunnel] else {
            tunnelByteCount += body.readableBytes
            return
        }
        session.receive(body)
        do {
            while let event = try session.next() {
                switch event {
                case .established: expected.removeValue(forKey: tunnel)?.succeed(tunnel)
                case .session(.ended(_, let error)): endings.append(error?.message ?? "")
                case .session(.reply(_, let reply)):
                    replyCount += 1
                    lastReply = reply
                case .client, .proof, .packet, .session, .ended: break
                }
            }
        } catch {
            sessions[tunnel] = nil
        }
    }

    /// Sends what is to be sent, and asks for more while the socket takes it.
    func pump() {
        guard let context, context.channel.isActive, !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        // A turn of the loop has an end, so that others on it have theirs.
        for _ in 0..<64 {
            send(context)
            guard let feed, outer.isOpen, !isWaiting, context.channel.isWritable else { return }
            guard (try? feed(self)) ?? false else {
                self.feed = nil
                return send(context)
            }
            guard let pause else { continue }
            send(context)
            isWaiting = true
            context.eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in
                self?.isWaiting = false
                self?.pump()
            }
            return
        }
        context.eventLoop.assumeIsolated().execute { [weak self] in self?.pump() }
    }

    private func send(_ context: ChannelHandlerContext) {
        for (tunnel, session) in sessions {
            while let batch = session.nextBatch() { outer.send(batch, on: tunnel) }
        }
        while let bytes = outer.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
    }
}

@available(*, unavailable)
extension HostileCaller: Sendable {}

/// A hostile caller and its loop.
struct Attacker: Sendable {
    let caller: NIOLoopBound<HostileCaller>
    let channel: any Channel

    func act<Result: Sendable>(
        _ body: @escaping @Sendable (HostileCaller) throws -> Result
    ) async throws -> Result {
        try await channel.eventLoop.submit {
            defer { caller.value.pump() }
            return try body(caller.value)
        }.get()
    }

    /// Opens a tunnel with a session in it.
    func session(with target: PublicKey, as identity: Identity) async throws -> StreamID {
        try await outcome { try $0.openSession(to: target, as: identity) }
    }

    /// Waits for the end of a tunnel.
    func end(of tunnel: StreamID) async throws { try await outcome { try $0.end(of: tunnel) } }

    private func outcome<Result: Sendable>(
        _ body: @escaping @Sendable (HostileCaller) throws -> EventLoopFuture<Result>
    ) async throws -> Result {
        try await channel.eventLoop.flatSubmit {
            defer { caller.value.pump() }
            do {
                return try body(caller.value)
            } catch {
                return channel.eventLoop.makeFailedFuture(error)
            }
        }.get()
    }

    func close() { channel.close(promise: nil) }
}
