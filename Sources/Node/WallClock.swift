internal import Foundation

/// The time of day, for peers that ask.
enum WallClock {
    /// Milliseconds since 1970.
    @Sendable static func milliseconds() -> Int64 { Int64(Date.now.timeIntervalSince1970 * 1000) }
}
