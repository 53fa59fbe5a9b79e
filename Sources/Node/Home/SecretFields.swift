/// The fields of a key file, as places in its bytes: nothing is copied out of the buffer that gets wiped.
struct SecretFields {
    private var places: [String: Range<Int>] = [:]

    /// Where a field's value stands, escapes taken out.
    subscript(name: String) -> Range<Int>? { places[name] }

    /// Reads comments and one JSON object of strings; escapes are replaced in place.
    ///
    /// As in ssb-keys a comment goes from any `#` to the end of the line, since no field can have a `#` in it.
    init(_ bytes: inout [UInt8]) throws(SecretFileError.Fault) {
        Self.blankComments(&bytes)
        var position = 0
        try Self.expect(UInt8(ascii: "{"), in: bytes, &position)
        repeat {
            let name = String(decoding: bytes[try Self.string(in: &bytes, &position)], as: UTF8.self)
            try Self.expect(UInt8(ascii: ":"), in: bytes, &position)
            let value = try Self.string(in: &bytes, &position)
            guard places.updateValue(value, forKey: name) == nil else { throw .repeatedField(name) }
        } while Self.take(UInt8(ascii: ","), in: bytes, &position)
        try Self.expect(UInt8(ascii: "}"), in: bytes, &position)
        Self.skipSpace(in: bytes, &position)
        guard position == bytes.count else { throw .notJSON(offset: position) }
    }

    private static func blankComments(_ bytes: inout [UInt8]) {
        var isComment = false
        for index in bytes.indices {
            if bytes[index] == UInt8(ascii: "\n") { isComment = false }
            if bytes[index] == UInt8(ascii: "#") { isComment = true }
            if isComment { bytes[index] = UInt8(ascii: " ") }
        }
    }

    private static func skipSpace(in bytes: [UInt8], _ position: inout Int) {
        while position < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) { position += 1 }
    }

    private static func take(_ byte: UInt8, in bytes: [UInt8], _ position: inout Int) -> Bool {
        skipSpace(in: bytes, &position)
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private static func expect(_ byte: UInt8, in bytes: [UInt8], _ position: inout Int) throws(SecretFileError
        .Fault)
    {
        guard take(byte, in: bytes, &position) else { throw .notJSON(offset: position) }
    }

    private static func string(in bytes: inout [UInt8], _ position: inout Int) throws(SecretFileError.Fault)
        -> Range<Int>
    {
        try expect(UInt8(ascii: "\""), in: bytes, &position)
        let start = position
        var end = start
        while position < bytes.count {
            var byte = bytes[position]
            guard byte >= 0x20 else { break }
            position += 1
            if byte == UInt8(ascii: "\"") { return start..<end }
            if byte == UInt8(ascii: "\\") { byte = try escape(in: bytes, &position) }
            bytes[end] = byte
            end += 1
        }
        throw .notJSON(offset: position)
    }

    /// What stands behind a backslash: a character as it is, or the number of an ASCII character.
    private static func escape(in bytes: [UInt8], _ position: inout Int) throws(SecretFileError.Fault)
        -> UInt8
    {
        guard position < bytes.count else { throw .notJSON(offset: position) }
        let byte = bytes[position]
        switch byte {
        case UInt8(ascii: "/"), UInt8(ascii: "\\"), UInt8(ascii: "\""):
            position += 1
            return byte
        case UInt8(ascii: "u"):
            let digits = bytes[min(position + 1, bytes.count)..<min(position + 5, bytes.count)]
            let number = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            let isHex = digits.allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
            guard digits.count == 4, isHex, let number, (0x20..<0x7f).contains(number) else {
                throw .notJSON(offset: position)
            }
            position += 5
            return number
        default:
            throw .notJSON(offset: position)
        }
    }
}
