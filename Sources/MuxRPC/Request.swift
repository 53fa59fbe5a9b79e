package import NIOCore

/// The number of a request as its opener wrote it: 1 or more.
///
/// Each side counts its own requests, so a number means nothing without the knowledge of who opened it.
public struct RequestNumber: Hashable, Sendable {
    /// The number, always positive.
    public let value: Int32

    init(_ value: Int32) { self.value = value }
}

/// The signed number that we put on the packets of a stream: `+n` where we opened it, `-n` where the peer did.
///
/// What the peer sends on the same stream carries the negation.
public struct StreamID: Hashable, Sendable {
    /// The request number of what we send on the stream.
    public let sentNumber: Int32

    /// The stream whose packets we number like this.
    public init(sentNumber: Int32) { self.sentNumber = sentNumber }

    /// The stream on which the peer sends this number; none for 0, and none for the one number (-2³¹) whose
    /// negation does not exist.
    public init?(receivedNumber: Int32) {
        guard receivedNumber != 0, receivedNumber != .min else { return nil }
        sentNumber = -receivedNumber
    }

    /// Whether we opened it.
    public var isOurs: Bool { sentNumber > 0 }

    /// The number that the opener sends.
    package var openerNumber: Int32 { isOurs ? sentNumber : 0 &- sentNumber }
}

/// A call by the peer that our manifest allows.
public struct Request: Equatable, Sendable {
    /// What to pass to ``RPCConnection/reply(to:with:)`` or ``RPCConnection/fail(_:message:)-(RequestNumber,_)``.
    public let number: RequestNumber
    /// How it was called, which is how the manifest has it.
    public let kind: CallKind
    /// The method's name, part by part: `["tunnel", "connect"]`.
    public let name: [String]
    /// The arguments.
    public let arguments: [JSONValue]
    /// The whole body where it was left unread, so that there are no ``arguments``.
    package var unreadBody: ByteBuffer?

    /// Reads the arguments of a call that was left unread; `nil` where they are no array in an object.
    package static func arguments(of unreadBody: ByteBuffer) -> [JSONValue]? {
        Call(unreadBody, type: .json)?.arguments
    }

    /// Where its packets go, for the kinds that are streams.
    public var stream: StreamID { StreamID(sentNumber: -number.value) }
}
