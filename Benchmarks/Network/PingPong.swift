internal import Foundation
internal import Histogram
internal import PeerSupport

/// A connection on which a few bytes go there and back, one after the other.
final class PingPong {
    /// As much as a few keystrokes with their frame.
    static let byteCount = 64

    private let socket: LoopbackSocket
    private let echo: LoopbackSocket

    /// Connects along a way, and echoes at its end.
    init(along way: Way) throws {
        socket = try LoopbackSocket.dialling(way.entry)
        let accepted = try way.service.accepted()
        echo = accepted
        Thread.detachNewThread {
            var bytes = [UInt8](repeating: 0, count: Self.byteCount)
            // Ends when the connection is cut.
            while (try? accepted.readAll(into: &bytes)) != nil, (try? accepted.writeAll(bytes)) != nil {}
        }
    }

    deinit {
        socket.cut()
        echo.cut()
    }

    /// The nanoseconds of every round trip within a time.
    ///
    /// With `interval`, what would have been measured every so many nanoseconds while one round trip hung counts too.
    func run(for duration: Duration, expecting interval: UInt64? = nil) throws -> Histogram<UInt64> {
        var times = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        try run(for: duration, expecting: interval, into: &times)
        return times
    }

    /// The same, added to others'; with `pause`, so many nanoseconds between two.
    func run(
        for duration: Duration, expecting interval: UInt64? = nil, pause: UInt64 = 0,
        into times: inout Histogram<UInt64>
    ) throws {
        var bytes = [UInt8](repeating: 0x55, count: Self.byteCount)
        let clock = ContinuousClock()
        var before = clock.now
        let end = before + duration
        repeat {
            try socket.writeAll(bytes)
            try socket.readAll(into: &bytes)
            let after = clock.now
            let time = (after - before).wholeNanoseconds
            if let interval {
                times.recordCorrectedValue(time, expectedInterval: interval)
            } else {
                times.record(time)
            }
            if pause > 0 { Thread.sleep(forTimeInterval: Double(pause) / 1e9) }
            before = pause > 0 ? clock.now : after
        } while before < end
    }
}
