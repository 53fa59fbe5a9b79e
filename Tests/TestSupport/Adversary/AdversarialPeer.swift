package import NIOCore
internal import SecretHandshake
internal import TypedSodium

/// A peer that speaks every layer correctly up to a seeded point, and then misbehaves.
///
/// It knows no socket and no clock: give it what arrives, send what ``nextOutput()`` returns, and when ``isDone``
/// end the connection if it ``hangsUp``. The same plan and context, given the same bytes, do the same. Where
/// nothing is wrong it answers what a portal, an endpoint or a client is asked.
package final class AdversarialPeer: CustomStringConvertible {
    /// What it does.
    package let plan: AdversaryPlan

    private let context: AdversaryContext
    private let outer: Speaker
    private var inner: Speaker?
    private var innerNumber: Int32 = 0
    private var random: SeededRandom
    private var output = ByteBuffer()
    private var sentByteCount = 0

    /// A peer at the start of its connection.
    package init(_ plan: AdversaryPlan, in context: AdversaryContext) {
        self.plan = plan
        self.context = context
        random = SeededRandom(seed: plan.seed ^ 0x5eed)
        outer = Self.speaker(
            plan.role == .client ? .client(of: context.server) : .server,
            misdeed: plan.depth == .outer ? plan.misdeed : nil, plan, context, random: &random)
        outer.answersTunnels = plan.depth == .answeringTunnel
        collect()
    }

    private static func speaker(
        _ side: Conversation.Side, misdeed: Misdeed?, _ plan: AdversaryPlan,
        _ context: AdversaryContext, random: inout SeededRandom
    ) -> Speaker {
        var handshakeMisdeed: HandshakeMisdeed?
        if case .handshake(let deed)? = misdeed { handshakeMisdeed = deed }
        let conversation = Conversation(
            side, as: context.identity, network: context.network, misdeed: handshakeMisdeed,
            random: SeededRandom(seed: random.next()))
        return Speaker(
            conversation, misdeed: misdeed, honestCallCount: plan.honestCallCount, in: context,
            random: SeededRandom(seed: random.next()))
    }

    // MARK: State

    /// Whether the misdeed is committed and everything that belongs to it is sent.
    package var isDone: Bool { output.readableBytes == 0 && isSpent }

    /// Whether it ends the connection once it has nothing more to send.
    package var hangsUp: Bool { outer.conversation.hangsUp }

    /// Whether it takes what is sent to it; one that does not should not be given any.
    package var reads: Bool { !(isSpent && plan.misdeed == .packet(.neverReading)) }

    /// Whether the call behind the misdeed got an answer, which shows that the session it was made in goes on.
    package var probeIsAnswered: Bool { guilty?.probeIsAnswered ?? false }

    /// How the other side ended the stream of a ``StreamMisdeed``: `true`, an error object, or not yet.
    package var breachAnswer: String? { guilty?.breachAnswer }

    /// What the other side did wrong, in any layer; an honest one does nothing wrong, whatever is done to it.
    package var complaints: [String] {
        outer.conversation.complaints + (inner?.conversation.complaints ?? [])
    }

    /// The plan, and how far it got.
    package var description: String {
        "\(plan); sent \(sentByteCount), \(isSpent ? "done" : "not done"), complaints: \(complaints)"
    }

    private var guilty: Speaker? { plan.depth == .outer ? outer : inner }
    private var isSpent: Bool { guilty?.isSpent ?? false }

    // MARK: Bytes

    /// Takes bytes that arrived.
    package func receive(_ bytes: ByteBuffer) {
        guard reads else { return }
        for turn in outer.receive(bytes) { take(turn) }
        collect()
    }

    /// Takes bytes that arrived.
    package func receive(_ bytes: [UInt8]) { receive(ByteBuffer(bytes: bytes)) }

    /// Takes note that nothing more will arrive.
    package func inputEnded() {
        outer.conversation.end(hangingUp: true)
    }

    /// The next bytes to send, or `nil` when there are none until more arrives.
    package func nextOutput() -> ByteBuffer? {
        guard output.readableBytes > 0 else { return nil }
        let limit: Int
        switch plan.cut {
        case .reads: limit = 65_536
        case .crumbs where sentByteCount < 500: limit = 1
        case .chunks, .crumbs: limit = Int.random(in: 1...20_000, using: &random)
        }
        let piece = output.readSlice(length: min(limit, output.readableBytes))
        sentByteCount += piece?.readableBytes ?? 0
        if output.readableBytes == 0 { output = ByteBuffer() }
        return piece
    }

    // MARK: The two conversations

    private func take(_ turn: Speaker.Turn) {
        switch turn {
        case .established:
            guard plan.depth == .callingTunnel else { return }
            begin(.client(of: context.target), on: outer.openTunnel())
        case .tunnelOpened(let number):
            guard inner == nil else { return outer.end(number) }
            begin(.server, on: number)
        case .bytes(let number, let bytes) where number == innerNumber:
            // A tunnel inside the tunnel is opened by nobody here: what the inner turns tell is of no use.
            _ = inner?.receive(bytes)
        case .ended(let number) where number == innerNumber:
            inner?.conversation.end(hangingUp: false)
        case .bytes, .ended:
            return
        }
    }

    private func begin(_ side: Conversation.Side, on number: Int32) {
        innerNumber = number
        inner = Self.speaker(side, misdeed: plan.misdeed, plan, context, random: &random)
    }

    private func collect() {
        if let inner, innerNumber != 0 {
            outer.send(inner.conversation.takeOutput(), on: innerNumber)
            if inner.conversation.hangsUp {
                outer.end(innerNumber)
                innerNumber = 0
            }
        }
        output.writeBytes(outer.conversation.takeOutput())
    }
}
