internal import Blinding
internal import Invitation
internal import TypedSodium

/// The payload of a record, field after field; numbers most significant byte first.
struct RecordWriter {
    private(set) var bytes: [UInt8] = []

    mutating func add(_ byte: UInt8) { bytes.append(byte) }

    mutating func add(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

    mutating func add(_ number: UInt64) {
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    mutating func add(_ number: UInt16) {
        bytes.append(UInt8(number >> 8))
        bytes.append(UInt8(number & 0xFF))
    }

    mutating func add(_ key: PublicKey) { bytes.append(contentsOf: key.bytes.array) }

    /// Bytes whose number is known.
    mutating func add(fixed more: [UInt8]) { bytes.append(contentsOf: more) }

    /// Text behind its length, which its owner has bounded.
    mutating func add(_ text: String) {
        precondition(text.utf8.count <= UInt16.max, "texts are bounded before they are stored")
        add(UInt16(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func add(_ portals: [PortalAddress]) {
        precondition(portals.count <= UInt8.max, "portals are counted before they are stored")
        add(UInt8(portals.count))
        for portal in portals { add(portal) }
    }

    /// A portal at one host; a record of several has the others behind it.
    mutating func add(_ portal: PortalAddress) {
        precondition(portal.others.isEmpty, "lists of portals name each host alone")
        add(portal.isOpen)
        add(portal.key.publicKey)
        add(portal.host)
        add(portal.port)
        add(optional: portal.shownKey) { $0.add($1) }
    }

    /// A value that may be missing.
    mutating func add<Value>(optional value: Value?, _ add: (inout RecordWriter, Value) -> Void) {
        self.add(value != nil)
        if let value { add(&self, value) }
    }
}
