internal import Connection
internal import NIOCore
internal import NIOPosix

/// Carries bytes and time between a channel and its machine, which makes every decision.
///
/// Writes are asked for only when the socket has taken all before, and flushed once per round. Reading stops while
/// the machine wants none. A peer that takes nothing for ``writeTime`` is cut.
final class MachineHandler<Machine: ConnectionMachine>: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// How long a peer may take nothing of what waits for it, unless its owner says another time.
    static var writeTime: TimeAmount { .seconds(30) }
    /// How long a timer waits at least: so long that the loop sees to its sockets first, and not longer.
    private static var leastTime: TimeAmount { .microseconds(5) }
    /// For how many small reads of whole frames a peer is remembered to have written one in pieces: of one that does, half
    /// of the reads are parts.
    private static var pieceMemory: Int { 16 }
    /// How long the peer's end is awaited once everything is said.
    static var closeTime: TimeAmount { .seconds(2) }

    let machine: Machine
    private let writeTime: TimeAmount
    private let perform: (Machine.Output) -> Void
    private let settled: () -> Void
    /// Called once; what it holds is let go with it.
    private var ended: (() -> Void)?
    private var context: ChannelHandlerContext?
    private var timer: (at: NIODeadline, task: Scheduled<Void>)?
    private var isSettling = false
    private var isUnsettled = false
    private var holdsRead = false
    /// How much the channel reads at once.
    private var readLimit = ReadSize.greatestByteCount
    private var readByteCount = 0
    private var lastReadByteCount = 0
    /// For how many small reads the peer counts as one that writes a frame in pieces, each of which its system holds back
    /// until we have acknowledged the last.
    private var pieceCount = 0
    private var hasSeenEnd = false
    private var hasClosedOutput = false
    private var unwritten = 0
    /// Whether the socket has not taken all of the last round at once.
    private var isWaiting = false
    private var pace = WritePace()
    private var writeDeadline: NIODeadline?

    /// A handler for one machine.
    ///
    /// `perform` does what the machine asks for, and may use it through ``act(_:)``. `settled` is called after every
    /// round, when less may wait for the socket; `ended` once, when the channel is gone.
    init(
        _ machine: Machine, writeTime: TimeAmount = MachineHandler.writeTime,
        perform: @escaping (Machine.Output) -> Void,
        settled: @escaping () -> Void = {}, ended: @escaping () -> Void
    ) {
        self.machine = machine
        self.writeTime = writeTime
        self.perform = perform
        self.settled = settled
        self.ended = ended
    }

    /// Uses the machine from outside, on its event loop, and sees to what comes of it.
    func act<Result>(_ body: (Machine) throws -> Result) rethrows -> Result {
        defer { settle() }
        return try body(machine)
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { settle() }
    }

    func channelActive(context: ChannelHandlerContext) {
        settle()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        readByteCount += bytes.readableBytes
        machine.receive(bytes, at: .now())
        isUnsettled = true
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        settle()
        acknowledgeIfAwaited(context)
        context.fireChannelReadComplete()
    }

    /// Lets a peer that writes in pieces have its acknowledgement at once, and not 40 ms later.
    ///
    /// Nobody of ours does, and what comes in bulk is acknowledged anyway; so neither pays for the system call, which takes
    /// as long as all else that is done with a small packet. Where the machine wants no input, what waits is no part.
    private func acknowledgeIfAwaited(_ context: ChannelHandlerContext) {
        defer { (lastReadByteCount, readByteCount) = (readByteCount, 0) }
        guard readByteCount < ChannelSettings.bulkByteCount else { return }
        if machine.wantsInput, machine.isWithinFrame {
            pieceCount = Self.pieceMemory
        } else if pieceCount > 0 {
            pieceCount -= 1
        }
        if pieceCount > 0 { ChannelSettings.acknowledge(context.channel) }
    }

    func read(context: ChannelHandlerContext) {
        if machine.wantsInput { context.read() } else { holdsRead = true }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { inputEnded() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        inputEnded()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.task.cancel()
        timer = nil
        self.context = nil
        ended?()
        ended = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset or a broken pipe: the machine learns that the input is over, with no goodbye.
        inputEnded()
        context.close(promise: nil)
    }

    private func inputEnded() {
        guard !hasSeenEnd else { return }
        hasSeenEnd = true
        machine.inputEnded(at: .now())
        settle()
    }

    // MARK: Rounds

    /// Performs outputs and writes until the machine has no more, then adjusts reading, closing and the timer.
    private func settle() {
        isUnsettled = true
        guard !isSettling, context != nil else { return }
        isSettling = true
        while isUnsettled {
            isUnsettled = false
            while let output = machine.nextOutput() {
                perform(output)
                isUnsettled = true
            }
            if write() { isUnsettled = true }
        }
        isSettling = false
        settled()
        resumeReading()
        closeIfDone()
        armTimer()
    }

    /// Writes one round, and says whether there was anything; does nothing until the previous round was taken.
    private func write() -> Bool {
        guard let context, context.channel.isActive, unwritten == 0 else { return false }
        let now = NIODeadline.now()
        var byteCount = 0
        while byteCount < pace.roundByteCount, let buffer = machine.nextWrite(at: now) {
            let promise = context.eventLoop.makePromise(of: Void.self)
            unwritten += 1
            byteCount += buffer.readableBytes
            promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.written() }
            context.write(wrapOutboundOut(buffer), promise: promise)
        }
        guard unwritten > 0 else { return false }
        writeDeadline = now + writeTime
        context.flush()
        pace.gave(byteCount, isTaken: unwritten == 0, at: now)
        isWaiting = unwritten > 0
        return true
    }

    private func written() {
        unwritten -= 1
        writeDeadline = unwritten > 0 ? .now() + writeTime : nil
        guard unwritten == 0 else { return }
        if isWaiting, pace.took(at: .now()), let channel = context?.channel {
            ChannelSettings.boundUnsent(channel, to: pace.unsentByteCount)
        }
        isWaiting = false
        settle()
    }

    private func resumeReading() {
        if machine.readByteCount != readLimit, let channel = context?.channel {
            readLimit = machine.readByteCount
            // A carrier without the option is read as before.
            let buffers = ReadBuffers(behind: max(readByteCount, lastReadByteCount), maximum: readLimit)
            try? channel.syncOptions?.setOption(.recvAllocator, value: buffers)
        }
        guard holdsRead, machine.wantsInput, let context else { return }
        holdsRead = false
        context.read()
    }

    private func closeIfDone() {
        guard let context else { return }
        switch machine.phase {
        case .running:
            return
        case .broken:
            context.close(promise: nil)
        case .finished:
            guard unwritten == 0 else { return }
            if hasSeenEnd {
                context.close(promise: nil)
            } else if !hasClosedOutput {
                hasClosedOutput = true
                context.close(mode: .output, promise: nil)
                context.eventLoop.assumeIsolated().scheduleTask(in: Self.closeTime) {
                    [weak self] () -> Void in
                    self?.context?.close(promise: nil)
                }
            }
        }
    }

    // MARK: Time

    /// The timer is left alone while it fires early enough: the machine finds that nothing is due then.
    private func armTimer() {
        guard let context, context.channel.isActive else { return }
        guard let due = machine.deadline.earlier(writeDeadline) else { return }
        if let timer, timer.at <= due { return }
        timer?.task.cancel()
        // What is due at once would run before the loop has looked at its other sockets.
        let time = max(due, .now() + Self.leastTime)
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: time) { [weak self] () -> Void in
            self?.timeReached()
        }
        timer = (due, task)
    }

    private func timeReached() {
        timer = nil
        let now = NIODeadline.now()
        if let writeDeadline, now >= writeDeadline {
            context?.close(promise: nil)
            return
        }
        if let deadline = machine.deadline, now >= deadline {
            noteAcknowledgement(at: now)
            machine.timeReached(now)
        }
        settle()
    }

    /// Tells the machine that a slow line goes on, where it might else take it for one that is gone.
    private func noteAcknowledgement(at now: NIODeadline) {
        guard machine.isUnanswered, let channel = context?.channel else { return }
        ChannelSettings.withAcknowledgedBytes(on: channel) { [machine] in machine.acknowledged($0, at: now) }
    }
}

@available(*, unavailable)
extension MachineHandler: Sendable {}
