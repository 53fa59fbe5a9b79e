import MuxRPC
import NIOCore
import PeerSupport
import SecretHandshake
import SecureSession
import TypedSodium

/// One call of the lying portal at the endpoint, from `tunnel.connect` to its end.
final class LiarCall {
    /// What the portal says and does.
    struct Order: Sendable {
        let target: String
        var origin: JSONValue = .null
        /// Who it is inside the tunnel, and whom it takes the endpoint for; it says nothing there where this is `nil`.
        var inside: (identity: Identity, endpoint: PublicKey)?
        /// What it says inside instead, a piece after each answer: what it heard a friend say.
        var replayed: [ByteBuffer] = []
        /// A call right behind the proof, whose refusal waits for the work that the proof makes.
        var probe: String?
    }

    /// How the endpoint took it.
    struct Outcome: Sendable {
        enum Ending: Equatable, Sendable {
            case admitted
            /// The words of the error; `nil` for an end without one.
            case refused(String?)
        }

        let ending: Ending
        /// How many bytes came out of the tunnel.
        let innerByteCount: Int
        /// From the call to the answer to the hello.
        let timeToAnswer: TimeAmount?
        /// From the last thing that the portal said to the end.
        let timeToEnd: TimeAmount
        /// From the proof to the refusal of the probe behind it.
        let timeToProbe: TimeAmount?
    }

    private let order: Order
    private let wire: LiarWire
    private let promise: EventLoopPromise<Outcome>
    private let session: SecureSession?
    private var replayed: ArraySlice<ByteBuffer>
    private var stream: StreamID?
    private let calledAt = NIODeadline.now()
    private var answeredAt: NIODeadline?
    private var spokeAt: NIODeadline
    private var innerByteCount = 0
    private var probedAt: NIODeadline?

    init(_ order: Order, on wire: LiarWire, promise: EventLoopPromise<Outcome>) throws {
        self.order = order
        self.wire = wire
        self.promise = promise
        spokeAt = calledAt
        replayed = order.replayed[...]
        session = try order.inside.map { inside in
            try SecureSession(
                dialling: inside.endpoint, as: inside.identity, network: LyingPortal.network, manifest: [:],
                framing: .tunnelled)
        }
    }

    func start(_ argument: JSONValue) throws {
        // The stream's entry on the wire keeps this alive until the end.
        let stream = try wire.open(["tunnel", "connect"], argument) { self.note($0) }
        self.stream = stream
        speak()
    }

    private func note(_ event: LiarWire.StreamEvent) {
        switch event {
        case .bytes(let bytes):
            answeredAt = answeredAt ?? .now()
            innerByteCount += bytes.readableBytes
            session?.receive(bytes)
            if isAdmitted {
                stream.map { wire.end($0, nil) }
                finish(.admitted)
            } else {
                speak()
            }
        case .ended(let words):
            finish(.refused(words))
        }
    }

    /// Whether the endpoint has proved itself, which it does for whom it lets in alone.
    private var isAdmitted: Bool {
        while let event = try? session?.next() {
            if case .established = event { return true }
        }
        return false
    }

    private func speak() {
        guard let stream else { return }
        // Taken first: once it is written, the endpoint may get this very core, and work for a while.
        let now = NIODeadline.now()
        if let piece = replayed.popFirst() {
            wire.send(piece, on: stream)
        } else {
            guard let session, wire.send(from: session, on: stream) else { return }
        }
        spokeAt = now
        if answeredAt != nil, let probe = order.probe {
            _ = try? wire.open(["tunnel", "connect"], ["target": .string(probe)]) { _ in
                self.probedAt = .now()
            }
        }
    }

    private func finish(_ ending: Outcome.Ending) {
        promise.succeed(
            Outcome(
                ending: ending, innerByteCount: innerByteCount,
                timeToAnswer: answeredAt.map { $0 - calledAt }, timeToEnd: .now() - spokeAt,
                timeToProbe: probedAt.map { $0 - spokeAt }))
    }
}

@available(*, unavailable)
extension LiarCall: Sendable {}
