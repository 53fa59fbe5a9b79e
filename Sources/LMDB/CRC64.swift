/// The checksum CRC-64/XZ, in which stored values are kept.
///
/// It is there against damage, not against malice. A cyclic code rather than a fast hash, because it gives a
/// proof where a hash gives a probability: every change that spans at most 64 bits, so every flipped byte
/// anywhere, is noticed; any other passes once in 2⁶⁴.
///
/// Source: ECMA-182 for the polynomial; Greg Cook's catalogue of CRC algorithms for the parameters and the
/// check value (`123456789` gives `995dc9bbdf1939fa`).
package struct CRC64: Sendable {
    private var state = UInt64.max

    package init() {}

    /// The checksum of what was fed so far.
    package var value: UInt64 { ~state }

    mutating func update(_ byte: UInt8) { state = Self.next(state, byte, Self.table.span) }

    mutating func update(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { update(byte) }
    }

    /// Feeds bytes.
    package mutating func update(_ bytes: Span<UInt8>) {
        let table = Self.table
        var state = state
        for index in bytes.indices { state = Self.next(state, bytes[index], table.span) }
        self.state = state
    }

    private static func next(_ state: UInt64, _ byte: UInt8, _ table: Span<UInt64>) -> UInt64 {
        table[Int(UInt8(truncatingIfNeeded: state) ^ byte)] ^ (state >> 8)
    }

    private static let table: [UInt64] = (0..<256).map { byte in
        (0..<8).reduce(UInt64(byte)) { value, _ in
            value & 1 == 0 ? value >> 1 : value >> 1 ^ 0xC96C_5795_D787_0F42
        }
    }
}
