internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import NIOPosix
internal import PeerSupport
internal import SecretHandshake
internal import SecureSession
internal import TypedSodium

/// One try to find out from the time whose endpoint it is that is called.
struct OracleTry: Sendable {
    /// What the portal names as the target.
    let target: String
    /// Which of its instances.
    var instance: Int64 = 0
    /// Who it is inside the tunnel, and whom it takes the endpoint for; it says nothing there where this is `nil`.
    var inside: (identity: Identity, endpoint: PublicKey)?
    /// Whether it sends noise in the place of the proof.
    var isNoise = false
}

/// What the portal has measured, in milliseconds.
struct OracleAnswer: Sendable {
    /// From the proof, or the call where there was none, to the end of the tunnel or to its session.
    var end: Double
    /// From the proof to the answer to a ping right behind it.
    var ping: Double?
    /// Whether the endpoint has let it in.
    var isAdmitted: Bool
}

/// A portal in this process that calls one endpoint and holds the watch.
final class OraclePortal: Sendable {
    let address: PeerAddress
    private let listener: any Channel
    private let wire: NIOLoopBound<OracleWire>

    init(on loop: any EventLoop) async throws {
        let identity = try Identity.random()
        let wire = try await loop.submit {
            NIOLoopBound(OracleWire(identity), eventLoop: loop)
        }.get()
        listener = try await ServerBootstrap(group: loop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(wire.value)
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(listener.localAddress?.port ?? 0)
        address = PeerAddress(net: try NetAddress(host: "127.0.0.1", port: port), key: identity.publicKey)
        self.wire = wire
    }

    /// Makes one try, and awaits how it ends.
    func make(_ attempt: OracleTry) async throws -> OracleAnswer {
        let promise = wire.eventLoop.makePromise(of: OracleAnswer.self)
        wire.eventLoop.execute { [wire] in
            do {
                try wire.value.make(attempt, promise)
            } catch {
                promise.fail(error)
            }
        }
        return try await promise.futureResult.get()
    }

    func close() async { try? await listener.close() }
}

/// The portal's connection with the endpoint, on its event loop.
final class OracleWire: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private struct Running {
        let attempt: OracleTry
        let session: SecureSession?
        let promise: EventLoopPromise<OracleAnswer>
        var spokeAt: NIODeadline
        var ping: Double?
    }

    private let identity: Identity
    private let session: SecureSession
    private var context: ChannelHandlerContext?
    private var running: [StreamID: Running] = [:]
    private var pings: [RequestNumber: StreamID] = [:]

    init(_ identity: Identity) {
        self.identity = identity
        session = SecureSession(
            answeringAs: identity, network: .scuttlebutt, manifest: ["tunnel.announce": .async])
    }

    func make(_ attempt: OracleTry, _ promise: EventLoopPromise<OracleAnswer>) throws {
        let inner = try attempt.inside.map { inside in
            try SecureSession(
                dialling: inside.endpoint, as: inside.identity, network: .scuttlebutt, manifest: [:],
                framing: .tunnelled)
        }
        let argument: JSONValue = [
            "portal": .string(identity.publicKey.id), "target": .string(attempt.target),
            "instance": .integer(attempt.instance),
        ]
        let stream = try session.muxrpc.open(.duplex, ["tunnel", "connect"], [argument])
        running[stream] = Running(attempt: attempt, session: inner, promise: promise, spokeAt: .now())
        _ = say(on: stream)
        flush()
    }

    /// Sends what the inner session has to say; whether there was something.
    private func say(on stream: StreamID) -> Bool {
        guard let inner = running[stream]?.session else { return false }
        var hasSpoken = false
        while let batch = inner.nextBatch() {
            session.send(batch, on: stream)
            hasSpoken = true
        }
        return hasSpoken
    }

    private func hear(_ bytes: ByteBuffer, on stream: StreamID) {
        guard let current = running[stream], let inner = current.session else { return }
        inner.receive(bytes)
        while let event = try? inner.next() {
            guard case .established = event else { continue }
            session.muxrpc.end(stream)
            return finish(stream, isAdmitted: true)
        }
        let noise = current.attempt.isNoise ? ByteBuffer(bytes: Random.bytes(112)) : nil
        // Taken first: once it is written, the endpoint may get this very core.
        running[stream]?.spokeAt = .now()
        if let noise {
            session.send(noise, on: stream)
        } else {
            guard say(on: stream) else { return }
        }
        if let ping = try? session.muxrpc.call(["tunnel", "ping"], []) { pings[ping] = stream }
    }

    private func finish(_ stream: StreamID, isAdmitted: Bool) {
        guard let done = running.removeValue(forKey: stream) else { return }
        let answer = OracleAnswer(
            end: Self.milliseconds(since: done.spokeAt), ping: done.ping, isAdmitted: isAdmitted)
        done.promise.succeed(answer)
    }

    private static func milliseconds(since time: NIODeadline) -> Double {
        Double((NIODeadline.now() - time).nanoseconds) / 1e6
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        session.receive(unwrapInboundIn(data))
        do {
            while let event = try session.next() { try handle(event) }
        } catch {
            context.close(promise: nil)
        }
        flush()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        for stream in Array(running.keys) {
            running.removeValue(forKey: stream)?.promise.fail(ChannelError.eof)
        }
    }

    private func handle(_ event: SecureSession.Event) throws {
        switch event {
        case .client: try session.accept()
        case .packet(let stream, _):
            var body = ByteBuffer()
            session.openPacket(into: &body)
            hear(body, on: stream)
        case .session(.data(let stream, _, let body)): hear(body, on: stream)
        case .session(.request(let request)): try session.muxrpc.reply(to: request.number, with: true)
        case .session(.reply(let call, _)):
            guard let stream = pings.removeValue(forKey: call), let spokeAt = running[stream]?.spokeAt else {
                return
            }
            running[stream]?.ping = Self.milliseconds(since: spokeAt)
        case .session(.ended(let stream, _)): finish(stream, isAdmitted: false)
        case .established, .proof, .ended, .session(.lateFailure), .session(.goodbye): break
        }
    }

    private func flush() {
        guard let context else { return }
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
    }
}

@available(*, unavailable)
extension OracleWire: Sendable {}
