/// Which keys of a table are meant; keys are compared byte by byte, a shorter one before its continuations.
package struct KeyRange: Equatable, Sendable {
    /// The smallest key that belongs to it; `nil` for no bound.
    package let lower: [UInt8]?
    /// The smallest key above it that does not; `nil` for no bound.
    package let upper: [UInt8]?

    /// The keys from one on, up to but without another.
    package init(from lower: [UInt8]? = nil, below upper: [UInt8]? = nil) {
        // LMDB knows no empty key, so this bound says nothing.
        self.lower = lower.flatMap { $0.isEmpty ? nil : $0 }
        self.upper = upper
    }

    /// Every key.
    package static let all = KeyRange()

    /// The keys that begin with these bytes.
    package static func prefix(_ bytes: [UInt8]) -> KeyRange {
        guard let last = bytes.lastIndex(where: { $0 != 0xFF }) else { return KeyRange(from: bytes) }
        var next = Array(bytes[...last])
        next[last] += 1
        return KeyRange(from: bytes, below: next)
    }

    /// Whether a key belongs to it.
    func contains(_ key: Span<UInt8>) -> Bool {
        if let lower, key.precedes(lower.span) { return false }
        if let upper { return key.precedes(upper.span) }
        return true
    }
}

/// The direction in which a table is walked.
package enum KeyOrder: Sendable {
    /// From the smallest key on.
    case ascending
    /// From the largest key on.
    case descending
}

/// Whether a walk goes on.
package enum Step: Sendable {
    /// On to the following key.
    case next
    /// Enough has been seen.
    case stop
}

extension Span<UInt8> {
    /// Whether these bytes come before others in LMDB's order: byte by byte, then the shorter.
    func precedes(_ other: Span<UInt8>) -> Bool {
        for index in 0..<Swift.min(count, other.count) where self[index] != other[index] {
            return self[index] < other[index]
        }
        return count < other.count
    }
}
