public import NIOCore

/// One JSON value that is printed as it was read: members keep their order, numbers their text.
///
/// Why not Foundation: a portal forwards arguments that it does not know, and Foundation keeps neither order nor
/// number text, and takes seconds over a hostile mebibyte. This parser makes one pass, in linear time, and
/// refuses what nests deeper than ``depthLimit`` or holds more than ``valueLimit`` values, so the memory it
/// takes is bounded too.
///
/// Two numbers are equal when their texts are.
public enum JSONValue: Equatable, Sendable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number, as its text.
    case number(JSONNumber)
    /// A string, its escapes resolved.
    case string(String)
    /// Values in order.
    case array([JSONValue])
    /// Members in order.
    case object(JSONObject)

    /// How many arrays and objects may stand inside each other.
    ///
    /// 64: calls nest four deep; each level costs a stack frame of the parser.
    public static let depthLimit = 64

    /// How many values one text may hold, members' values counted.
    ///
    /// 65,536: a list of 19,000 ids fills a mebibyte, while a mebibyte of `[0,0,…]` would take twelve times itself,
    /// and twice that while it grows.
    public static let valueLimit = 65_536

    /// A whole number.
    public static func integer(_ value: Int64) -> JSONValue { .number(JSONNumber(value)) }
}

extension JSONValue {
    /// The text, where this is a string.
    public var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The number, where this is one that an `Int64` holds exactly; `1.0` and `1e3` count as whole.
    public var integer: Int64? {
        guard case .number(let number) = self else { return nil }
        return number.integer
    }

    /// The number, where this is one that is not too great for a `Double`.
    public var double: Double? {
        guard case .number(let number) = self else { return nil }
        return number.double
    }

    /// The truth value, where this is one.
    public var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The elements, where this is an array.
    public var array: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members, where this is an object.
    public var object: JSONObject? {
        guard case .object(let object) = self else { return nil }
        return object
    }

    /// A member, where this is an object that has it.
    ///
    /// Setting replaces the member in its place or appends it, and `nil` removes it; what is no object is left
    /// as it is.
    public subscript(key: String) -> JSONValue? {
        get { object?[key] }
        set {
            guard case .object(var object) = self else { return }
            self = .null  // leaves `object` the only reference: no copy on write
            object[key] = newValue
            self = .object(object)
        }
    }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    /// `null`.
    public init(nilLiteral: ()) { self = .null }
    /// `true` or `false`.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A whole number.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// A number.
    public init(floatLiteral value: Double) { self = .number(JSONNumber(value)) }
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An array.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object with its members in the order they are written; of a repeated key the last value.
    public init(dictionaryLiteral members: (String, JSONValue)...) {
        self = .object(JSONObject(members.map { JSONObject.Member(key: $0.0, value: $0.1) }))
    }
}

extension JSONValue {
    /// Parses one value with white space around it and nothing else.
    ///
    /// - Throws: ``JSONError``, with the place.
    public init(parsing text: Span<UInt8>) throws(JSONError) {
        var parser = JSONParser()
        self = try parser.document(text)
    }

    /// Parses all readable bytes; see ``init(parsing:)-(Span<UInt8>)``.
    public init(parsing text: ByteBuffer) throws(JSONError) {
        try self.init(parsing: text.readableBytesUInt8Span)
    }

    /// Parses the body of a packet, whose peer pays with bytes for what we hold: it may have few values for its length.
    ///
    /// - Throws: ``JSONError``, with the place.
    package init(body: ByteBuffer) throws(JSONError) {
        var parser = JSONParser(valueLimit: Self.valueLimit(ofBody: body.readableBytes))
        self = try parser.document(body.readableBytesUInt8Span)
    }

    /// How many values the body of a packet may hold: 128, and one more for every 16 bytes.
    ///
    /// A value costs up to some 110 bytes, so a body becomes 7 times itself and 14 KiB at most. Lists of ids and tokens
    /// have 50 bytes a value, calls and manifests 20.
    package static func valueLimit(ofBody byteCount: Int) -> Int {
        min(valueLimit, 128 + byteCount / 16)
    }
}

extension JSONValue {
    /// The value as JSON text without white space.
    public var serialized: ByteBuffer {
        var text = ByteBuffer()
        text.writeJSON(self)
        return text
    }
}
