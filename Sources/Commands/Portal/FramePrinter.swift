internal import Node
internal import Multiserver
internal import NIOCore
internal import TypedSodium
internal import Synchronization

/// Writes down what a portal passes on, up to a number of packets: for looking over the portal's shoulder.
///
/// One line per packet: `frame NUMBER SENDER BYTECOUNT HEXADECIMAL`.
final class FramePrinter: Sendable {
    private let limit: Int
    /// Taken while the command's own task runs: event loops do not know its surroundings.
    private let write = CommandEnvironment.current.complaints
    private let count = Mutex(0)

    init(limit: Int) { self.limit = limit }

    func show(_ body: ByteBuffer, from sender: PublicKey) {
        // Written under the lock, so that lines stand in the order of their numbers.
        count.withLock { count in
            guard count < limit else { return }
            count += 1
            let digits = Hexadecimal.text(of: body.readableBytesView)
            write("frame \(count) \(sender.id) \(body.readableBytes) \(digits)\n")
        }
    }
}
