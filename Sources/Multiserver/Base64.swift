/// Base64 with the standard alphabet, padded and canonical: every byte string has exactly one spelling.
///
/// Source: RFC 4648, section 4, with the strictness of section 3.5. ssb-ref refuses stray low bits, the URL
/// alphabet and missing padding as well, so whatever this accepts the other parsers accept. The secret key of
/// a key file passes through here too: output goes into one allocation of exact size, which the caller can
/// wipe, and digits are computed instead of looked up in a table.
public enum Base64 {
    /// The number of digits, padding included, for that many bytes.
    public static func digitCount(forByteCount byteCount: Int) -> Int { (byteCount + 2) / 3 * 4 }

    /// The digits of `bytes` in ASCII.
    public static func encode(_ bytes: Span<UInt8>) -> [UInt8] {
        let digitCount = digitCount(forByteCount: bytes.count)
        var text: [UInt8] = []
        text.reserveCapacity(digitCount)
        var index = 0
        while index < bytes.count {
            let held = min(bytes.count - index, 3)
            var group = UInt32(bytes[index]) << 16
            if held > 1 { group |= UInt32(bytes[index + 1]) << 8 }
            if held > 2 { group |= UInt32(bytes[index + 2]) }
            text.append(digit(group >> 18))
            text.append(digit(group >> 12))
            text.append(held > 1 ? digit(group >> 6) : padding)
            text.append(held > 2 ? digit(group) : padding)
            index += held
        }
        return text
    }

    /// The digits of `bytes` as text; not for secrets, because text cannot be wiped.
    public static func text(of bytes: [UInt8]) -> String {
        String(decoding: encode(bytes.span), as: UTF8.self)
    }

    /// The bytes that the ASCII digits in `text` stand for; nothing at all for no digits.
    ///
    /// - Throws: ``Base64Error`` for anything but the one spelling that ``encode(_:)`` prints.
    public static func decode(_ text: Span<UInt8>) throws(Base64Error) -> [UInt8] {
        guard text.count.isMultiple(of: 4) else { throw .wrongDigitCount(text.count) }
        var padCount = 0
        while padCount < min(2, text.count), text[text.count - 1 - padCount] == padding { padCount += 1 }
        let digitCount = text.count - padCount
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3 - padCount)

        var group: UInt32 = 0
        for index in 0..<digitCount {
            guard let value = value(of: text[index]) else { throw .foreignCharacter(offset: index) }
            group = group << 6 | value
            guard index % 4 == 3 else { continue }
            bytes.append(UInt8(truncatingIfNeeded: group >> 16))
            bytes.append(UInt8(truncatingIfNeeded: group >> 8))
            bytes.append(UInt8(truncatingIfNeeded: group))
            group = 0
        }
        try decodeTail(group, padCount: padCount, into: &bytes)
        return bytes
    }

    /// The bytes that `text` stands for.
    ///
    /// - Throws: ``Base64Error`` for anything but the one spelling that ``text(of:)`` prints.
    public static func bytes(of text: some StringProtocol) throws(Base64Error) -> [UInt8] {
        try decode(Array(text.utf8).span)
    }

    private static let padding = UInt8(ascii: "=")

    /// One or two bytes from the last, incomplete group, whose unused low bits must be zero.
    private static func decodeTail(
        _ group: UInt32, padCount: Int, into bytes: inout [UInt8]
    ) throws(Base64Error) {
        switch padCount {
        case 1:
            guard group & 0b11 == 0 else { throw .strayBits }
            bytes.append(UInt8(truncatingIfNeeded: group >> 10))
            bytes.append(UInt8(truncatingIfNeeded: group >> 2))
        case 2:
            guard group & 0b1111 == 0 else { throw .strayBits }
            bytes.append(UInt8(truncatingIfNeeded: group >> 4))
        default:
            break
        }
    }

    private static func digit(_ value: UInt32) -> UInt8 {
        let value = UInt8(value & 0x3f)
        return switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + value - 26
        case 52..<62: UInt8(ascii: "0") + value - 52
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    private static func value(of digit: UInt8) -> UInt32? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
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
