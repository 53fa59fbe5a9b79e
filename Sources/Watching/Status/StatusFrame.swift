internal import FoundationEssentials
internal import NIOCore

/// JSON with its length in front, in four bytes: what is asked, and what is answered.
enum StatusFrame {
    /// The longest question, in bytes.
    static let questionByteCount = 256
    /// The longest answer: a thousand members and endpoints, each of some 300 bytes, and room.
    static let answerByteCount = 4 << 20

    /// What may be asked.
    struct Question: Codable, Equatable {
        /// What is wanted; `status` is all there is.
        var ask = "status"
    }

    /// The body of the first frame, once it has come whole.
    ///
    /// - Throws: ``StatusFailure/malformed`` for one that is longer than `limit`.
    static func body(in buffer: ByteBuffer, limit: Int) throws(StatusFailure) -> ByteBuffer? {
        guard let count = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self) else { return nil }
        guard count <= limit else { throw .malformed }
        return buffer.getSlice(at: buffer.readerIndex + 4, length: Int(count))
    }

    /// A frame with that in it.
    static func encode(_ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let body = try encoder.encode(value)
        var frame = ByteBuffer()
        frame.writeInteger(UInt32(body.count))
        frame.writeBytes(body)
        return frame
    }

    /// What a body says.
    ///
    /// - Throws: ``StatusFailure/malformed``.
    static func decode<Value: Decodable>(_ body: ByteBuffer, as type: Value.Type) throws(StatusFailure)
        -> Value
    {
        do {
            return try JSONDecoder().decode(type, from: Data(body.readableBytesView))
        } catch {
            throw .malformed
        }
    }
}
