package import NIOCore

/// What stands at our end of a stream with credit: a socket, a pair of pipes, a measurement.
///
/// Everything is called on the connection's event loop.
package protocol StreamEnd: AnyObject {
    /// Bytes of the far side; the end owes a `drained` once it is rid of them.
    func receive(_ bytes: ByteBuffer)

    /// No more bytes will come.
    func receiveEnd()

    /// More may be sent: after a `send` said no, or once the connection's backlog is gone.
    func resume()

    /// The stream is over; without a failure both sides had said all.
    func close(_ failure: StreamFailure?)

    /// The local side is to go at once, with what it has not taken.
    func reset()

    /// Whether the local side still stands, and may have something that it has not taken.
    var isOpen: Bool { get }
}

extension StreamEnd {
    /// An end that holds nothing outside of the stream goes with it.
    package func reset() {}
    package var isOpen: Bool { false }
}
