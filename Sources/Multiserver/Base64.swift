internal import TypedSodium

/// Base64 with the standard alphabet, padded and canonical: every byte string has exactly one spelling.
///
/// Source: RFC 4648, section 4, with the strictness of section 3.5. ssb-ref refuses stray low bits, the URL
/// alphabet and missing padding as well, so whatever this accepts the other parsers accept. The work is
/// `TextEncoding`'s, in constant time; what is added here is why a text was refused.
public enum Base64 {
    /// The number of digits, padding included, for that many bytes.
    public static func digitCount(forByteCount byteCount: Int) -> Int {
        TextEncoding.base64.digitCount(forByteCount: byteCount)
    }

    /// The digits of `bytes` in ASCII.
    public static func encode(_ bytes: Span<UInt8>) -> [UInt8] { TextEncoding.base64.encode(bytes) }

    /// The digits of `bytes` as text; not for secrets, because text cannot be wiped.
    public static func text(of bytes: [UInt8]) -> String {
        String(decoding: encode(bytes.span), as: UTF8.self)
    }

    /// The bytes that the ASCII digits in `text` stand for; nothing at all for no digits.
    ///
    /// - Throws: ``Base64Error`` for anything but the one spelling that ``encode(_:)`` prints.
    public static func decode(_ text: Span<UInt8>) throws(Base64Error) -> [UInt8] {
        do {
            return try TextEncoding.base64.decode(text)
        } catch {
            throw cause(of: text)
        }
    }

    /// The bytes that `text` stands for.
    ///
    /// - Throws: ``Base64Error`` for anything but the one spelling that ``text(of:)`` prints.
    public static func bytes(of text: some StringProtocol) throws(Base64Error) -> [UInt8] {
        try decode(Array(text.utf8).span)
    }

    /// What is wrong with a text that is not canonical.
    private static func cause(of text: Span<UInt8>) -> Base64Error {
        guard text.count.isMultiple(of: 4) else { return .wrongDigitCount(text.count) }
        var digitCount = text.count
        while digitCount > max(0, text.count - 2), text[digitCount - 1] == UInt8(ascii: "=") {
            digitCount -= 1
        }
        for offset in 0..<digitCount where !isDigit(text[offset]) { return .foreignCharacter(offset: offset) }
        return .strayBits
    }

    private static func isDigit(_ character: UInt8) -> Bool {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
            true
        default: false
        }
    }
}

/// Why a text is not canonical Base64.
public enum Base64Error: Error, Equatable, Sendable {
    /// The number of characters, given here, is no multiple of four: a part or the padding is missing.
    case wrongDigitCount(Int)
    /// The character at this offset is no digit of the standard alphabet, or is padding in the wrong place.
    case foreignCharacter(offset: Int)
    /// Bits of the last digit that stand for nothing are not zero.
    case strayBits
}

extension Base64Error: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    public var description: String {
        switch self {
        case .wrongDigitCount(let count):
            "it has \(count) characters, which is no multiple of 4: copy it whole, with the = at its end"
        case .foreignCharacter(let offset):
            "its character \(offset + 1) does not belong there: use A-Z, a-z, 0-9, + and /"
        case .strayBits:
            "its last digit is not the one it should end with: copy it again"
        }
    }
}
