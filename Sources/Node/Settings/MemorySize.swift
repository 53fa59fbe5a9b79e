/// An amount of memory as a setting has it: `128MiB`, `1GiB`.
package struct MemorySize: Hashable, Sendable {
    /// What a setting may ask for, in bytes.
    package static let byteCounts = (16 << 20)...(64 << 30)

    /// The amount in bytes.
    package let byteCount: Int

    /// Reads a whole number of MiB or GiB.
    package init?(_ text: String) {
        for (unit, shift) in [("MiB", 20), ("GiB", 30)] where text.hasSuffix(unit) {
            let digits = text.dropLast(unit.count)
            guard let count = Int(digits), String(count) == digits,
                (0...Self.byteCounts.upperBound >> shift).contains(count),
                Self.byteCounts.contains(count << shift)
            else { return nil }
            byteCount = count << shift
            return
        }
        return nil
    }

    /// What to do about a text that is none.
    package static let remedy = "write a whole number from 16MiB to 64GiB, like 128MiB"
}

extension MemorySize: CustomStringConvertible {
    /// The form that `init(_:)` reads.
    package var description: String {
        byteCount.isMultiple(of: 1 << 30) ? "\(byteCount >> 30)GiB" : "\(byteCount >> 20)MiB"
    }
}
