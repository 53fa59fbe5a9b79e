package import TypedSodium

/// Thirty-two bytes that make a portal call one endpoint for one friend on one day.
///
/// The portal sees them; to everybody without the ``PairKey`` they are random.
package struct PairToken: Sendable {
    /// The token itself.
    package let bytes: FixedBytes<32>

    private static let suffix = ".token1"
    private static let digitCount = TextEncoding.base64.digitCount(forByteCount: 32)

    /// Wraps a token.
    package init(_ bytes: FixedBytes<32>) { self.bytes = bytes }

    /// Reads a token as it is announced: canonical Base64, 44 characters.
    ///
    /// - Throws: ``BlindingError/notAToken``.
    package init(base64 text: some StringProtocol) throws(BlindingError) {
        guard text.utf8.count == Self.digitCount else { throw .notAToken }
        do throws(SodiumError) {
            bytes = try FixedBytes(TextEncoding.base64.decode(Array(text.utf8).span))
        } catch {
            throw .notAToken
        }
    }

    /// Reads a token as it stands in the place of a target: canonical Base64 and `.token1`.
    ///
    /// - Throws: ``BlindingError/notAToken``.
    package init(target text: some StringProtocol) throws(BlindingError) {
        guard Self.isToken(target: text) else { throw .notAToken }
        try self.init(base64: String(decoding: text.utf8.dropLast(Self.suffix.utf8.count), as: UTF8.self))
    }

    /// Whether what stands in the place of a target claims to be a token, and not an id.
    package static func isToken(target text: some StringProtocol) -> Bool {
        text.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
    }

    /// The token as it is announced.
    package var base64: String {
        String(decoding: TextEncoding.base64.encode(bytes.storage.span), as: UTF8.self)
    }

    /// The token as it stands in the place of a target.
    package var target: String { base64 + Self.suffix }
}

extension PairToken: Hashable {
    /// Whether both tokens are the same, in constant time.
    package static func == (left: PairToken, right: PairToken) -> Bool { left.bytes.isEqual(to: right.bytes) }
}
