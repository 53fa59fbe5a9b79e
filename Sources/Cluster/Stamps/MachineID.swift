package import TypedSodium

/// One running portal process of a cluster: sixteen random bytes, drawn at its start.
///
/// A process that is started again is another machine.
package struct MachineID: Hashable, Sendable {
    /// The length in bytes.
    package static let byteCount = 16

    private let high: UInt64
    private let low: UInt64

    /// The machine with these bytes.
    package init(_ bytes: FixedBytes<16>) {
        var (high, low): (UInt64, UInt64) = (0, 0)
        for index in 0..<8 {
            high = high << 8 | UInt64(bytes.storage[index])
            low = low << 8 | UInt64(bytes.storage[index + 8])
        }
        self.init(high: high, low: low)
    }

    /// The machine with these two halves, the first bytes in the high one.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The bytes, in order.
    package var bytes: [UInt8] {
        [high, low].flatMap { half in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> $0) }
        }
    }

    /// The bytes, in order.
    package var fixedBytes: FixedBytes<16> {
        var fixed = FixedBytes<16>()
        for (index, byte) in bytes.enumerated() { fixed.storage[index] = byte }
        return fixed
    }

    /// What tells machines apart in a computation that needs a number.
    package var number: UInt64 { high ^ low }

    /// Twenty-six digits of lower-case base32: the machine in the name of its inbox.
    package var text: String { Base32.encode(bytes) }
}

extension MachineID: Comparable {
    /// In the order of their bytes.
    package static func < (left: MachineID, right: MachineID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

/// Lower-case base32 without padding, which a NATS subject can hold.
///
/// Source: RFC 4648, section 6.
enum Base32 {
    private static let digits = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

    /// The digits of bytes.
    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var (buffer, bitCount): (UInt32, Int) = (0, 0)
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bitCount += 8
            while bitCount >= 5 {
                bitCount -= 5
                text.append(digits[Int(buffer >> UInt32(bitCount)) & 31])
            }
        }
        if bitCount > 0 { text.append(digits[Int(buffer << UInt32(5 - bitCount)) & 31]) }
        return String(decoding: text, as: UTF8.self)
    }
}
