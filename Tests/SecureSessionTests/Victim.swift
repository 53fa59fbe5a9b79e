import MuxRPC
import NIOCore
import SecureSession
import TestSupport

/// An honest session with a careless owner.
///
/// It lets everybody in and does to every call and stream whatever comes to its mind, from a seed. It only keeps
/// to back-pressure, as every owner has to.
final class Victim {
    static let manifest: Manifest = [
        "whoami": .sync, "tunnel.ping": .sync, "tunnel.isRoom": .async, "tunnel.connect": .duplex,
        "tunnel.endpoints": .source, "service.open": .duplex, "echo": .duplex,
    ]

    let session: SecureSession
    private(set) var error: SecureSessionError?
    private(set) var greatestOutboundByteCount = 0
    /// Whether the meeting ended because neither side had anything to say.
    private(set) var isQuiet = false
    private var random: SeededRandom

    /// The session inside a tunnel, where there is one, and how it is made.
    private(set) var inner: Victim?
    private var innerStream = StreamID(sentNumber: 0)
    var makeInner: (() -> Victim)?
    /// Whether it opens the tunnel itself.
    var opensTunnel = false

    init(_ session: SecureSession, seed: UInt64) {
        self.session = session
        random = SeededRandom(seed: seed)
    }

    /// Exchanges bytes until both are silent, for a bounded number of steps.
    func meet(_ adversary: AdversarialPeer) {
        for _ in 0..<100_000 {
            var isMoving = false
            if adversary.reads, let buffer = session.nextOutbound() {
                adversary.receive(buffer)
                isMoving = true
            }
            if session.outboundByteCount <= Limits.default.outboxByteCount, let bytes = adversary.nextOutput()
            {
                receive(bytes)
                isMoving = true
            }
            greatestOutboundByteCount = max(greatestOutboundByteCount, session.outboundByteCount)
            guard !isMoving else { continue }
            isQuiet = true
            if adversary.isDone, adversary.hangsUp { inputEnded() }
            return
        }
    }

    private func receive(_ bytes: ByteBuffer) {
        session.receive(bytes)
        drain()
        guard let inner else { return }
        if inner.error != nil { session.muxrpc.end(innerStream) }
        while let batch = inner.session.nextBatch() { session.send(batch, on: innerStream) }
    }

    private func inputEnded() {
        do throws(SecureSessionError) {
            try session.inputEnded()
        } catch {
            self.error = error
        }
    }

    private func drain() {
        do throws(SecureSessionError) {
            while let event = try session.next() { try take(event) }
        } catch {
            self.error = error
        }
    }

    private func take(_ event: SecureSession.Event) throws(SecureSessionError) {
        switch event {
        case .client:
            try session.accept()
            callEverything()
        case .established: callEverything()
        case .proof: break
        case .packet(innerStream, _):
            var body = ByteBuffer()
            session.openPacket(into: &body)
            inner?.receive(body)
        case .packet(let stream, _): take(packetOn: stream)
        case .session(.data(innerStream, _, let body)): inner?.receive(body)
        case .session(.ended(innerStream, _)): inner?.inputEnded()
        case .session(.request(let request)): take(request)
        case .session(.data(let stream, _, let body)): answer(body, on: stream)
        case .session, .ended: break
        }
    }

    private func callEverything() {
        _ = try? session.muxrpc.call(["manifest"], [])
        _ = try? session.muxrpc.open(.source, ["tunnel", "endpoints"], [])
        for name in [["echo"], ["service", "open"], ["tunnel", "connect"]] {
            let stream = try? session.muxrpc.open(.duplex, name, [["name": "ssh"]])
            guard name.first == "tunnel", opensTunnel, let stream else { continue }
            beginInner(on: stream)
        }
    }

    private func beginInner(on stream: StreamID) {
        innerStream = stream
        inner = makeInner?()
    }

    private func take(packetOn stream: StreamID) {
        switch Int.random(in: 0...2, using: &random) {
        case 0:
            var batch = PacketBatch(capacity: 0)
            session.openPacket(into: &batch)
            session.send(batch, on: stream)
        case 1:
            var body = ByteBuffer()
            session.openPacket(into: &body)
            answer(body, on: stream)
        default: break
        }
    }

    private func take(_ request: Request) {
        if request.name == ["tunnel", "connect"], makeInner != nil, inner == nil, !opensTunnel {
            return beginInner(on: request.stream)
        }
        switch (request.kind, Int.random(in: 0...3, using: &random)) {
        case (.async, 0): session.muxrpc.fail(request.number, message: "no")
        case (.async, _): try? session.muxrpc.reply(to: request.number, with: true)
        case (_, 0): session.muxrpc.fail(request.stream, message: "no")
        case (_, 1): session.muxrpc.end(request.stream)
        default: break
        }
    }

    private func answer(_ body: ByteBuffer, on stream: StreamID) {
        switch Int.random(in: 0...3, using: &random) {
        case 0: try? session.muxrpc.send(["credit": 4096], on: stream)
        case 1: session.send(body, on: stream)
        default: break
        }
    }
}
