/// Recursive descent over the grammar of ``MultiserverAddress``; every byte is looked at once.
struct AddressParser {
    static let escape = UInt8(ascii: "!")

    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Whether a field spells this byte with an escape in front.
    static func needsEscape(_ byte: UInt8) -> Bool {
        switch byte {
        case escape, UInt8(ascii: ":"), UInt8(ascii: ";"), UInt8(ascii: "~"): true
        default: false
        }
    }

    mutating func list() throws(AddressError) -> [MultiserverAddress] {
        var addresses = [try address()]
        while take(UInt8(ascii: ";")) { addresses.append(try address()) }
        guard position == bytes.count else { throw .malformed(offset: position) }
        return addresses
    }

    private mutating func address() throws(AddressError) -> MultiserverAddress {
        var layers = [try layer()]
        while take(UInt8(ascii: "~")) { layers.append(try layer()) }
        return MultiserverAddress(layers: layers)
    }

    private mutating func layer() throws(AddressError) -> MultiserverAddress.Layer {
        let name = try name()
        var fields: [String] = []
        while take(UInt8(ascii: ":")) { fields.append(try field()) }
        return MultiserverAddress.Layer(name: name, fields: fields)
    }

    private mutating func name() throws(AddressError) -> String {
        let start = position
        while let byte = peek(), Self.isNameByte(byte, first: position == start) { position += 1 }
        guard position - start >= 2 else { throw .malformed(offset: position) }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func field() throws(AddressError) -> String {
        var field: [UInt8] = []
        while let byte = peek() {
            if byte == Self.escape {
                let next = position + 1
                guard next < bytes.count, Self.needsEscape(bytes[next]) else {
                    throw .malformed(offset: position)
                }
                field.append(bytes[next])
                position += 2
            } else if Self.needsEscape(byte) {
                break
            } else {
                guard (0x22...0x7d).contains(byte) else { throw .malformed(offset: position) }
                field.append(byte)
                position += 1
            }
        }
        return String(decoding: field, as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8, first: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): !first
        default: false
        }
    }

    private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }
}
