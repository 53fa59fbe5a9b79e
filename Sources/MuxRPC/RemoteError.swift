internal import NIOCore

/// An error that came over the wire instead of a reply or an end; only its message is worth reading.
public struct RemoteError: Error, Equatable, Sendable {
    /// What the peer says happened, or what we say of bytes that could not be read.
    public let message: String

    /// The longest message that is kept, in bytes of UTF-8: it is for a log line and for being passed on.
    public static let messageByteLimit = 1024

    /// An error with its message, cut to ``messageByteLimit``.
    public init(_ message: String) { self.message = Self.cut(message, to: Self.messageByteLimit) }

    /// Reads the body of a packet that has the end flag and is no plain end.
    ///
    /// JavaScript and Go send an object with `message`, in different orders; anything else is taken for what it
    /// can be.
    init(body: ByteBuffer, type: BodyType?) {
        switch type {
        case .string?:
            self.init(String(buffer: body.prefix(Self.messageByteLimit)))
        case .json?:
            let value = try? JSONValue(body: body)
            self.init(value?["message"]?.string ?? value?.string ?? Self.unreadable)
        case .binary?, nil:
            self.init(Self.unreadable)
        }
    }

    /// The object that goes over the wire: the keys in JavaScript's order, and no stack, because ours is nobody's
    /// business.
    var json: JSONValue { ["message": .string(message), "name": "Error", "stack": ""] }

    static let unreadable = "an error without a message"
    static let tooLong = RemoteError("the body is too long")
    static let transportEnded = RemoteError("unexpected end of parent stream")

    /// The text, cut between two characters.
    static func cut(_ text: String, to limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: limit)
        while String.Index(end, within: text.unicodeScalars) == nil { text.utf8.formIndex(before: &end) }
        return String(text[..<end])
    }
}

extension ByteBuffer {
    /// The first bytes, as many as there are up to `count`.
    fileprivate func prefix(_ count: Int) -> ByteBuffer {
        getSlice(at: readerIndex, length: min(count, readableBytes)) ?? ByteBuffer()
    }
}
