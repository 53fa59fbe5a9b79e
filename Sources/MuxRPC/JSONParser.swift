internal import NIOCore

/// A recursive-descent parser of RFC 8259 over a span, which it is lent call by call.
package struct JSONParser {
    /// How many bytes were looked at, repeated looks counted: what the tests hold to be linear.
    package private(set) var lookCount = 0

    /// The first key that an object had twice, of which only the last value is left.
    package private(set) var repeatedKey: String?

    private var offset = 0
    private var depth = 0
    private var valueCount = 0
    private let valueLimit: Int

    /// A parser at the start of a text that may hold so many values.
    package init(valueLimit: Int = JSONValue.valueLimit) { self.valueLimit = valueLimit }

    /// The one value of a text.
    package mutating func document(_ text: Span<UInt8>) throws(JSONError) -> JSONValue {
        let value = try value(text)
        if peekToken(text) != nil { throw .unexpectedByte(at: offset) }
        return value
    }

    /// The value behind a key of the object that a text begins, of which all in front of it has to be there.
    package mutating func member(_ key: String, _ text: Span<UInt8>) throws(JSONError) -> JSONValue? {
        guard peekToken(text) == UInt8(ascii: "{") else { return nil }
        try enter()
        repeat {
            guard peekToken(text) == UInt8(ascii: "\"") else { return nil }
            let isWanted = try string(text) == key
            try expectToken(UInt8(ascii: ":"), text)
            let value = try value(text)
            if isWanted { return value }
        } while takeToken(UInt8(ascii: ","), text)
        return nil
    }

    private mutating func value(_ text: Span<UInt8>) throws(JSONError) -> JSONValue {
        guard let first = peekToken(text) else { throw .truncated }
        valueCount += 1
        guard valueCount <= valueLimit else { throw .tooManyValues(at: offset) }
        switch first {
        case UInt8(ascii: "\""): return .string(try string(text))
        case UInt8(ascii: "{"): return try object(text)
        case UInt8(ascii: "["): return try array(text)
        case UInt8(ascii: "t"): return try literal("true", .bool(true), text)
        case UInt8(ascii: "f"): return try literal("false", .bool(false), text)
        case UInt8(ascii: "n"): return try literal("null", .null, text)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number(text))
        default: throw .unexpectedByte(at: offset)
        }
    }

    /// Takes an opening bracket.
    private mutating func enter() throws(JSONError) {
        guard depth < JSONValue.depthLimit else { throw .tooDeep(at: offset) }
        depth += 1
        offset += 1
    }

    private mutating func object(_ text: Span<UInt8>) throws(JSONError) -> JSONValue {
        try enter()
        defer { depth -= 1 }
        var members: [JSONObject.Member] = []
        if takeToken(UInt8(ascii: "}"), text) { return .object(JSONObject()) }
        repeat {
            guard let first = peekToken(text) else { throw .truncated }
            guard first == UInt8(ascii: "\"") else { throw .unexpectedByte(at: offset) }
            let key = try string(text)
            try expectToken(UInt8(ascii: ":"), text)
            members.append(JSONObject.Member(key: key, value: try value(text)))
        } while takeToken(UInt8(ascii: ","), text)
        try expectToken(UInt8(ascii: "}"), text)
        let object = JSONObject(members)
        if repeatedKey == nil, object.members.count < members.count {
            repeatedKey = JSONObject.repeatedKey(in: members)
        }
        return .object(object)
    }

    private mutating func array(_ text: Span<UInt8>) throws(JSONError) -> JSONValue {
        try enter()
        defer { depth -= 1 }
        var elements: [JSONValue] = []
        if takeToken(UInt8(ascii: "]"), text) { return .array(elements) }
        repeat {
            elements.append(try value(text))
        } while takeToken(UInt8(ascii: ","), text)
        try expectToken(UInt8(ascii: "]"), text)
        return .array(elements)
    }

    private mutating func literal(
        _ word: StaticString, _ value: JSONValue, _ text: Span<UInt8>
    ) throws(JSONError) -> JSONValue {
        for expected in word.description.utf8 {
            guard let byte = look(text) else { throw .truncated }
            guard byte == expected else { throw .unexpectedByte(at: offset) }
            offset += 1
        }
        return value
    }

    private mutating func string(_ text: Span<UInt8>) throws(JSONError) -> String {
        var scanner = JSONStringScanner(start: offset + 1)
        let string = try scanner.scan(text)
        lookCount += scanner.end - offset
        offset = scanner.end
        return string
    }

    private mutating func number(_ text: Span<UInt8>) throws(JSONError) -> JSONNumber {
        let start = offset
        if look(text) == UInt8(ascii: "-") { offset += 1 }
        if look(text) == UInt8(ascii: "0") { offset += 1 } else { try digits(text) }
        if look(text) == UInt8(ascii: ".") {
            offset += 1
            try digits(text)
        }
        if let byte = look(text), byte | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if let sign = look(text), sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { offset += 1 }
            try digits(text)
        }
        let written = try JSONStringScanner.decode(text.extracting(start..<offset), at: start)
        return JSONNumber(parsed: written)
    }

    private mutating func digits(_ text: Span<UInt8>) throws(JSONError) {
        let start = offset
        while let byte = look(text), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { offset += 1 }
        guard offset > start else {
            throw offset == text.count ? .truncated : .unexpectedByte(at: offset)
        }
    }

    private mutating func look(_ text: Span<UInt8>) -> UInt8? {
        lookCount += 1
        return offset < text.count ? text[offset] : nil
    }

    /// The next byte that is no white space, not taken.
    private mutating func peekToken(_ text: Span<UInt8>) -> UInt8? {
        while let byte = look(text) {
            guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return byte }
            offset += 1
        }
        return nil
    }

    private mutating func takeToken(_ byte: UInt8, _ text: Span<UInt8>) -> Bool {
        guard peekToken(text) == byte else { return false }
        offset += 1
        return true
    }

    private mutating func expectToken(_ byte: UInt8, _ text: Span<UInt8>) throws(JSONError) {
        guard let next = peekToken(text) else { throw .truncated }
        guard next == byte else { throw .unexpectedByte(at: offset) }
        offset += 1
    }
}

/// Why bytes are no JSON that we take; the number is the offset in bytes.
public enum JSONError: Error, Equatable, Sendable {
    /// The text stops inside a value, or is empty.
    case truncated
    /// A byte that cannot stand there, something behind the value included.
    case unexpectedByte(at: Int)
    /// A string that is not UTF-8.
    case invalidUTF8(at: Int)
    /// An escape that JSON does not have.
    case invalidEscape(at: Int)
    /// More arrays and objects inside each other than ``JSONValue/depthLimit``.
    case tooDeep(at: Int)
    /// More values than ``JSONValue/valueLimit``.
    case tooManyValues(at: Int)
}

extension JSONError: CustomStringConvertible {
    /// What is wrong, and where, for people.
    public var description: String {
        switch self {
        case .truncated: "it stops in the middle"
        case .unexpectedByte(let offset): "its byte \(offset + 1) cannot stand there"
        case .invalidUTF8(let offset): "it is not UTF-8 from byte \(offset + 1) on"
        case .invalidEscape(let offset): "JSON does not have the escape at its byte \(offset + 1)"
        case .tooDeep(let offset): "it is nested too deeply from byte \(offset + 1) on"
        case .tooManyValues(let offset): "it has too many values, from byte \(offset + 1) on"
        }
    }
}
