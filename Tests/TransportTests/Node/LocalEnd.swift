import NIOCore
import Tunnel

/// A local end of a stream with credit, in memory: keeps what it gets, and sends what it was given.
final class LocalEnd {
    struct Close: Equatable {
        let failure: StreamFailure?
        let sent: Int
        let received: Int
    }

    let key: StreamKey
    /// What is still to be sent, and whether the end follows.
    var unsent = ByteBuffer()
    var endsBehind = false
    /// Whether what comes is taken at once.
    var drains = true

    private(set) var received = ByteBuffer()
    private(set) var undrained = 0
    private(set) var hasReceivedEnd = false
    private(set) var close: Close?
    private var isPaused = false
    private var hasSentEnd = false

    init(_ key: StreamKey) { self.key = key }

    func send(_ bytes: [UInt8], end: Bool = false) {
        unsent.writeBytes(bytes)
        endsBehind = endsBehind || end
    }

    func perform(_ event: ServiceEvent) {
        switch event {
        case .received(let bytes):
            undrained += bytes.readableBytes
            received.writeImmutableBuffer(bytes)
        case .receivedEnd: hasReceivedEnd = true
        case .wantsMore: isPaused = false
        case .closed(let failure, let sent, let received):
            close = Close(failure: failure, sent: sent, received: received)
        }
    }

    /// Drains and sends what can be.
    func pump(_ node: NodeConnection) {
        guard close == nil else { return }
        if drains, undrained > 0 {
            let byteCount = undrained
            undrained = 0
            node.drained(byteCount, on: key)
        }
        while !isPaused, node.wantsLocalInput,
            let piece = unsent.readSlice(length: min(65_536, unsent.readableBytes)), piece.readableBytes > 0
        {
            isPaused = !node.send(piece, on: key)
        }
        if unsent.readableBytes == 0, endsBehind, !hasSentEnd {
            hasSentEnd = true
            node.sendEnd(on: key)
        }
    }
}
