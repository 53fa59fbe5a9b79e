internal import TypedSodium

/// Writes the fields of messages, numbers in network byte order.
struct ClusterWriter {
    private(set) var bytes: [UInt8] = []

    init(capacity: Int) { bytes.reserveCapacity(capacity) }

    mutating func write(_ number: some FixedWidthInteger & UnsignedInteger) {
        for shift in stride(from: number.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    mutating func write(_ value: FixedBytes<32>) {
        for index in value.storage.indices { bytes.append(value.storage[index]) }
    }

    mutating func write(_ machine: MachineID) { bytes += machine.bytes }

    /// A text of up to 255 bytes, its length in front.
    mutating func write(_ text: String) {
        let digits = Array(text.utf8.prefix(255))
        bytes.append(UInt8(digits.count))
        bytes += digits
    }

    mutating func pad(_ count: Int) { bytes += repeatElement(0, count: count) }
}

/// Reads the fields of messages; whatever is missing, too much or out of range makes the message malformed.
struct ClusterReader {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func number<Number: FixedWidthInteger & UnsignedInteger>() throws(ClusterError) -> Number {
        let count = Number.bitWidth / 8
        guard bytes.count - offset >= count else { throw .malformed }
        var number: Number = 0
        for index in offset..<offset + count {
            number = Number(truncatingIfNeeded: UInt64(number) << 8) | Number(bytes[index])
        }
        offset += count
        return number
    }

    /// A number that says how many follow.
    mutating func count(limit: Int) throws(ClusterError) -> Int {
        let count: UInt16 = try number()
        guard count <= limit else { throw .malformed }
        return Int(count)
    }

    mutating func fixed() throws(ClusterError) -> FixedBytes<32> {
        guard bytes.count - offset >= 32 else { throw .malformed }
        defer { offset += 32 }
        return FixedBytes<32>(bytes.span, at: offset)
    }

    mutating func machine() throws(ClusterError) -> MachineID {
        let high: UInt64 = try number()
        return MachineID(high: high, low: try number())
    }

    mutating func time() throws(ClusterError) -> HybridTime { HybridTime(try number()) }

    /// A text of printable ASCII, its length in front.
    mutating func text() throws(ClusterError) -> String {
        let length: UInt8 = try number()
        guard bytes.count - offset >= length else { throw .malformed }
        let digits = bytes[offset..<offset + Int(length)]
        guard digits.allSatisfy({ (0x21...0x7e).contains($0) }) else { throw .malformed }
        offset += Int(length)
        return String(decoding: digits, as: UTF8.self)
    }

    /// Zeros up to a certain end.
    mutating func padding(_ count: Int) throws(ClusterError) {
        guard bytes.count - offset >= count, bytes[offset..<offset + count].allSatisfy({ $0 == 0 }) else {
            throw .malformed
        }
        offset += count
    }

    /// Nothing is left.
    func end() throws(ClusterError) {
        guard offset == bytes.count else { throw .malformed }
    }
}
