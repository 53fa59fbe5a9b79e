package import NIOCore
package import Tunnel

/// A local end of a stream with credit, in memory: keeps what it gets, and sends what it was given.
package final class LocalEnd {
    package struct Close: Equatable {
        package let failure: StreamFailure?
        package let sent: Int
        package let received: Int

        package init(failure: StreamFailure?, sent: Int, received: Int) {
            self.failure = failure
            self.sent = sent
            self.received = received
        }
    }

    package let key: StreamKey
    /// What is still to be sent, and whether the end follows.
    package var unsent = ByteBuffer()
    package var endsBehind = false
    /// Whether what comes is taken at once.
    package var drains = true

    package private(set) var received = ByteBuffer()
    package private(set) var undrained = 0
    package private(set) var hasReceivedEnd = false
    package private(set) var close: Close?
    private var isPaused = false
    private var hasSentEnd = false

    package init(_ key: StreamKey) { self.key = key }

    package func send(_ bytes: [UInt8], end: Bool = false) {
        unsent.writeBytes(bytes)
        endsBehind = endsBehind || end
    }

    package func perform(_ event: ServiceEvent) {
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
    package func pump(_ node: NodeConnection) {
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
