public import NIOCore
public import Tunnel

/// What stands at our end of a stream with credit: a socket, a pair of pipes, a measurement.
///
/// Everything is called on the connection's event loop.
public protocol StreamEnd: AnyObject {
    /// Bytes of the far side; the end owes ``StreamHandle/drained(_:)`` once it is rid of them.
    func receive(_ bytes: ByteBuffer)

    /// No more bytes will come.
    func receiveEnd()

    /// More may be sent: after ``StreamHandle/send(_:)`` said no, or once the connection's backlog is gone.
    func resume()

    /// The stream is over; without a failure both sides had said all.
    func close(_ failure: StreamFailure?)
}

/// A stream as its end uses it, on the connection's event loop.
public struct StreamHandle {
    private let link: NodeLinkCore
    private let key: StreamKey

    init(link: NodeLinkCore, key: StreamKey) {
        self.link = link
        self.key = key
    }

    /// Whether the connection's backlog is short enough to read more for it.
    public var takesInput: Bool { link.takesLocalInput(for: key) }

    /// Sends bytes; `false` when no more should be given until ``StreamEnd/resume()``.
    public func send(_ bytes: ByteBuffer) -> Bool { link.act { $0.send(bytes, on: key) } }

    /// Says that no more bytes will be given.
    public func sendEnd() { link.act { $0.sendEnd(on: key) } }

    /// Says that received bytes are gone, so that the far side may send more.
    public func drained(_ byteCount: Int) { link.act { $0.drained(byteCount, on: key) } }

    /// Says that what was received is gone, or will never be: the local side is.
    func endIsGone() { link.lingersNoMore(key) }

    /// Ends the stream in the middle; the far side is told why.
    public func fail(_ message: String) {
        link.forget(key)
        link.act { $0.refuseService(key, message: message) }
    }
}
