internal import FoundationEssentials
internal import NIOCore

/// The time of day, for peers that ask and for what holds for a day.
package enum WallClock {
    /// Milliseconds since 1970.
    @Sendable package static func milliseconds() -> Int64 { Int64(Date.now.timeIntervalSince1970 * 1000) }

    /// Seconds since 1970.
    @Sendable package static func seconds() -> UInt64 { UInt64(max(0, milliseconds()) / 1000) }

    /// When something was that has happened in this process, in seconds since 1970.
    static func seconds(at time: NIODeadline) -> UInt64 {
        let age = (NIODeadline.now() - time).nanoseconds / 1_000_000
        return UInt64(max(0, milliseconds() - age) / 1000)
    }
}
