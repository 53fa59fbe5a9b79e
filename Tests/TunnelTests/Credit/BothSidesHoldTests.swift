import NIOCore
import Testing

@testable import Tunnel

@Suite("A way that the reader and the sender both know to be shared")
struct BothSidesHoldTests {
    /// A line of one rate and delay, with a sender that has all of its window to send, and a reader that keeps up.
    private struct Line {
        static let step = TimeAmount.microseconds(500)
        /// After how long a sender that may not send does so nevertheless.
        static let waitTime = TimeAmount.milliseconds(100)
        static let pieceByteCount = 16 << 10

        let delay: TimeAmount
        let bytesPerSecond: Double
        /// How often the reader takes what has come.
        let drainTime: TimeAmount
        var pace = SendPace()
        var credit = SendCredit()
        var reader = ReceiveCredit()
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var freeAt = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var drainAt = NIODeadline.uptimeNanoseconds(0)
        var blockedSince: NIODeadline?
        var arriving = CircularBuffer<(at: NIODeadline, byteCount: Int)>()
        var grants = CircularBuffer<(at: NIODeadline, byteCount: Int)>()
        var smallestSecond = Int.max

        init(delay: TimeAmount, bytesPerSecond: Double, drainTime: TimeAmount) {
            (self.delay, self.bytesPerSecond, self.drainTime) = (delay, bytesPerSecond, drainTime)
        }

        mutating func run(seconds: Int64, isShared: Bool) throws {
            smallestSecond = .max
            for _ in 0..<seconds {
                let end = now + .seconds(1)
                var byteCount = 0
                while now < end {
                    now = now + Self.step
                    byteCount += try receive(isShared: isShared)
                    while let first = grants.first, first.at <= now {
                        grants.removeFirst()
                        let window = credit.window
                        try credit.add(first.byteCount)
                        if credit.window == window { pace.granted(first.byteCount, at: now) }
                    }
                    while freeAt <= now + .milliseconds(2), send(isShared: isShared) {}
                }
                smallestSecond = min(smallestSecond, byteCount)
            }
        }

        private mutating func receive(isShared: Bool) throws -> Int {
            var byteCount = 0
            while let first = arriving.first, first.at <= now {
                arriving.removeFirst()
                try reader.receive(first.byteCount, at: now)
                byteCount += first.byteCount
            }
            guard now >= drainAt, reader.undrained > 0 else { return byteCount }
            drainAt = now + drainTime
            for grant in reader.drain(reader.undrained, isShared: isShared) {
                grants.append((now + delay, grant))
            }
            return byteCount
        }

        private mutating func send(isShared: Bool) -> Bool {
            let isOverdue = blockedSince.map { now - $0 >= Self.waitTime } ?? false
            let room = pace.room(behind: credit.unreturned, of: credit.window, isShared: isShared)
            let least = isOverdue ? PathProbe.leastByteCount : 0
            let byteCount = min(max(room, least), credit.available, isOverdue ? least : Self.pieceByteCount)
            guard byteCount > 0 else {
                blockedSince = blockedSince ?? now
                return false
            }
            blockedSince = nil
            credit.spend(byteCount)
            pace.sent(byteCount, at: now)
            freeAt = max(freeAt, now) + .nanoseconds(Int64(Double(byteCount) / bytesPerSecond * 1e9))
            arriving.append((freeAt + delay, byteCount))
            return true
        }
    }

    @Test(
        "carries a third of its rate in each second, though both hold the large stream",
        arguments: [(10 as Int64, 50e6), (50, 10e6)], [0, 2, 5] as [Int64])
    func rate(_ line: (delay: Int64, bytesPerSecond: Double), _ drainTime: Int64) throws {
        var line = Line(
            delay: .milliseconds(line.delay), bytesPerSecond: line.bytesPerSecond,
            drainTime: .milliseconds(drainTime))
        try line.run(seconds: 5, isShared: false)
        try line.run(seconds: 10, isShared: true)
        #expect(Double(line.smallestSecond) > line.bytesPerSecond / 3)
        try line.run(seconds: 1, isShared: false)
        try line.run(seconds: 1, isShared: true)
        #expect(Double(line.smallestSecond) > line.bytesPerSecond / 3, "shared anew")
    }
}
