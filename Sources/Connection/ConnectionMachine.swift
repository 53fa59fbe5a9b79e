package import NIOCore

/// What a channel drives: bytes and time in, bytes and outputs out, and no socket in sight.
///
/// The channel calls these on its event loop only. After every input it performs ``nextOutput()`` until `nil`,
/// writes ``nextWrite(at:)`` while the socket takes bytes, and arms its timer for ``deadline``.
package protocol ConnectionMachine: AnyObject {
    /// What the owner of the channel has to do for the machine.
    associatedtype Output

    /// Bytes arrived.
    func receive(_ bytes: ByteBuffer, at now: NIODeadline)

    /// The other side sends nothing more.
    func inputEnded(at now: NIODeadline)

    /// The clock reached ``deadline``, or went past it.
    func timeReached(_ now: NIODeadline)

    /// When ``timeReached(_:)`` is due next.
    var deadline: NIODeadline? { get }

    /// The next bytes for the socket; asked only while it takes some, so that what waits can still be ordered.
    func nextWrite(at now: NIODeadline) -> ByteBuffer?

    /// The next thing for the owner to do.
    func nextOutput() -> Output?

    /// Whether the socket should be read.
    var wantsInput: Bool { get }

    /// How much is to be read at once at most, in bytes.
    var readByteCount: Int { get }

    /// What is to become of the connection.
    var phase: ConnectionPhase { get }

    /// Whether a frame of the peer has begun to arrive, and not arrived whole.
    var isWithinFrame: Bool { get }

    /// Whether nothing was heard since something was sent, and it matters what the peer's system has of that.
    var isUnanswered: Bool { get }

    /// The peer's system has so many bytes of what was written, over all time, and more is on the way; told before
    /// ``timeReached(_:)`` where ``isUnanswered`` says so.
    func acknowledged(_ byteCount: UInt64, at now: NIODeadline)
}

extension ConnectionMachine {
    package var readByteCount: Int { ReadSize.greatestByteCount }
}

/// How much is read of a socket at once.
package enum ReadSize {
    /// The most, in bytes: a read is passed on while it is in the processor's cache.
    package static let greatestByteCount = 256 << 10
}

extension NIODeadline? {
    /// The earlier of two times, where a missing one never comes.
    package func earlier(_ other: NIODeadline?) -> NIODeadline? {
        guard let self else { return other }
        return other.map { Swift.min(self, $0) } ?? self
    }
}

/// What is to become of a connection.
package enum ConnectionPhase: Equatable, Sendable {
    /// It goes on.
    case running
    /// Everything is said: when the last byte is written, our direction is closed and the peer's end awaited.
    case finished
    /// It is cut at once, whatever waits.
    case broken
}
