/// Reads one JSON string: finds its end, resolves its escapes, checks its UTF-8.
struct JSONStringScanner {
    /// The offset behind what was read so far; after ``scan(_:)``, behind the closing quote.
    private(set) var end: Int

    private let start: Int

    /// A scanner at the byte behind the opening quote.
    init(start: Int) {
        self.start = start
        end = start
    }

    /// The string, without its quotes.
    mutating func scan(_ text: Span<UInt8>) throws(JSONError) -> String {
        while end < text.count {
            switch text[end] {
            case UInt8(ascii: "\""):
                end += 1
                return try Self.decode(text.extracting(start..<end - 1), at: start)
            case UInt8(ascii: "\\"):
                return try scanEscaped(text)
            case 0..<0x20:
                throw .unexpectedByte(at: end)
            default:
                end += 1
            }
        }
        throw .truncated
    }

    /// Goes on from the first backslash, with a copy.
    private mutating func scanEscaped(_ text: Span<UInt8>) throws(JSONError) -> String {
        var bytes: [UInt8] = []
        for index in start..<end { bytes.append(text[index]) }
        while end < text.count {
            let byte = text[end]
            end += 1
            switch byte {
            case UInt8(ascii: "\""): return try Self.decode(bytes.span, at: start)
            case UInt8(ascii: "\\"): bytes.append(contentsOf: try escape(text).utf8)
            case 0..<0x20: throw .unexpectedByte(at: end - 1)
            default: bytes.append(byte)
            }
        }
        throw .truncated
    }

    private mutating func escape(_ text: Span<UInt8>) throws(JSONError) -> String {
        guard end < text.count else { throw .truncated }
        let letter = text[end]
        end += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return String(Unicode.Scalar(letter))
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return String(try scalar(text))
        default: throw .invalidEscape(at: end - 1)
        }
    }

    /// The scalar of `\u` and its four digits, or of two such that are a pair; a lone surrogate, which no
    /// Swift string can hold, becomes U+FFFD.
    private mutating func scalar(_ text: Span<UInt8>) throws(JSONError) -> Unicode.Scalar {
        let unit = try hexadecimalUnit(text)
        guard (0xD800..<0xDC00).contains(unit) else { return Unicode.Scalar(unit) ?? "\u{FFFD}" }
        guard end + 1 < text.count, text[end] == UInt8(ascii: "\\"), text[end + 1] == UInt8(ascii: "u")
        else { return "\u{FFFD}" }
        let pairStart = end
        end += 2
        let second = try hexadecimalUnit(text)
        guard (0xDC00..<0xE000).contains(second) else {
            end = pairStart  // no pair: what follows speaks for itself
            return "\u{FFFD}"
        }
        return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (second - 0xDC00)) ?? "\u{FFFD}"
    }

    private mutating func hexadecimalUnit(_ text: Span<UInt8>) throws(JSONError) -> UInt32 {
        guard end + 4 <= text.count else { throw .truncated }
        var unit: UInt32 = 0
        for index in end..<end + 4 {
            switch text[index] {
            case let digit where digit &- UInt8(ascii: "0") < 10:
                unit = unit << 4 | UInt32(digit - UInt8(ascii: "0"))
            case let digit where (digit | 0x20) &- UInt8(ascii: "a") < 6:
                unit = unit << 4 | UInt32((digit | 0x20) - UInt8(ascii: "a") + 10)
            default:
                throw .invalidEscape(at: index)
            }
        }
        end += 4
        return unit
    }

    /// The bytes as text.
    static func decode(_ bytes: Span<UInt8>, at offset: Int) throws(JSONError) -> String {
        do throws(UTF8.ValidationError) {
            return String(copying: try UTF8Span(validating: bytes))
        } catch {
            throw .invalidUTF8(at: offset + error.byteOffsets.lowerBound)
        }
    }
}
