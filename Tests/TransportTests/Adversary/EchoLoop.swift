import NIOCore
import Synchronization
import Transport
import Tunnel

/// An honest user of an echo, which sends the next piece when the last has come back, until it is stopped.
final class EchoLoop: StreamEnd {
    /// Tells the loop to stop, from any task.
    final class Switch: Sendable {
        private let isOff = Mutex(false)
        func turnOff() { isOff.withLock { $0 = true } }
        var isOn: Bool { isOff.withLock { !$0 } }
    }

    private static let piece = ByteBuffer(repeating: 6, count: 20_000)

    private let handle: StreamHandle
    private let isWanted: Switch
    private let result: EventLoopPromise<Int>
    private var missing = 0
    private var rounds = 0

    init(_ handle: StreamHandle, while isWanted: Switch, rounds: EventLoopPromise<Int>) {
        self.handle = handle
        self.isWanted = isWanted
        result = rounds
    }

    func start() {
        missing = Self.piece.readableBytes
        _ = handle.send(Self.piece)
    }

    func receive(_ bytes: ByteBuffer) {
        missing -= bytes.readableBytes
        handle.drained(bytes.readableBytes)
        guard missing == 0 else { return }
        rounds += 1
        if isWanted.isOn { start() } else { handle.sendEnd() }
    }

    func receiveEnd() {}

    func resume() {}

    func close(_ failure: StreamFailure?) {
        if let failure { result.fail(failure) } else { result.succeed(rounds) }
    }
}
