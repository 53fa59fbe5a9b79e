internal import TypedSodium

/// What those show who may watch: kept as its hash alone, and compared in the same time however much of it is right.
package struct WatchToken: Equatable, Sendable {
    /// The shortest that is taken, in bytes: 16 random ones in hexadecimal digits.
    package static let shortestByteCount = 32
    /// The longest, in bytes.
    package static let longestByteCount = 512

    private let hash: FixedBytes<32>

    /// The token that a file's contents are, but for white space around it; `nil` unless it has a fitting number of bytes,
    /// all of them letters, digits and signs of ASCII.
    package init?(contents: [UInt8]) {
        let isSpace: (UInt8) -> Bool = { [0x09, 0x0A, 0x0D, 0x20].contains($0) }
        let front = contents.drop(while: isSpace)
        let text = front.prefix(front.count - front.reversed().prefix(while: isSpace).count)
        guard (Self.shortestByteCount...Self.longestByteCount).contains(text.count),
            text.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        hash = Self.hash(of: text)
    }

    /// Whether a text is the token.
    package func matches(_ text: some StringProtocol) -> Bool {
        text.utf8.count <= Self.longestByteCount && Self.hash(of: text.utf8).isEqual(to: hash)
    }

    /// Whether a header `Authorization` shows the token.
    ///
    /// Source: RFC 6750, section 2.1.
    package func isShown(in header: String?) -> Bool {
        guard let parts = header?.split(separator: " ", maxSplits: 1), parts.count == 2,
            parts[0].lowercased() == "bearer"
        else { return false }
        return matches(parts[1].trimmingSpaces)
    }

    package static func == (left: WatchToken, right: WatchToken) -> Bool {
        left.hash.isEqual(to: right.hash)
    }

    private static func hash(of bytes: some Sequence<UInt8>) -> FixedBytes<32> {
        var hash = SHA256()
        hash.update(Array(bytes).span)
        return hash.finalize()
    }
}
