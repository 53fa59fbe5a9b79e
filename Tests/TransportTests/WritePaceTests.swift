import NIOCore
import Testing

@testable import Transport

@Suite("How much a socket is given")
struct WritePaceTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// A line that carries so much a second, and is given the next round as soon as it has taken the last.
    private func pace(bytesPerSecond: Double) -> (pace: WritePace, changeCount: Int) {
        var (pace, now, changeCount) = (WritePace(), Self.start, 0)
        for _ in 0..<40 {
            let byteCount = pace.roundByteCount
            pace.gave(byteCount, isTaken: false, at: now)
            now = now + .nanoseconds(Int64(Double(byteCount) / bytesPerSecond * 1e9))
            if pace.took(at: now) { changeCount += 1 }
        }
        return (pace, changeCount)
    }

    @Test("is 256 KiB while it takes all at once")
    func atOnce() {
        var pace = WritePace()
        for _ in 0..<10 { pace.gave(pace.roundByteCount, isTaken: true, at: Self.start) }
        #expect(pace.roundByteCount == 256 << 10 && pace.unsentByteCount == 64 << 10)
    }

    @Test("is 16 KiB on a slow line, and as much may be unsent")
    func slowLine() {
        let (pace, changeCount) = pace(bytesPerSecond: 2.5e6)
        #expect(pace.roundByteCount == 16 << 10 && pace.unsentByteCount == 16 << 10)
        #expect(changeCount == 1, "the system is told once")
    }

    @Test("is what a line carries in 2 ms where that is between")
    func between() {
        let (pace, _) = pace(bytesPerSecond: 15e6)
        #expect((29_000...31_000).contains(pace.roundByteCount))
    }

    @Test("stays at 64 KiB on a fast line that does not take all at once")
    func fastLine() {
        let (pace, changeCount) = pace(bytesPerSecond: 125e6)
        #expect(pace.roundByteCount == 64 << 10 && pace.unsentByteCount == 64 << 10 && changeCount == 0)
    }

    @Test("grows again with a line that has become faster")
    func growing() {
        var (pace, _) = pace(bytesPerSecond: 2.5e6)
        var now = Self.start + .seconds(10)
        for _ in 0..<20 {
            pace.gave(pace.roundByteCount, isTaken: true, at: now)
            now = now + .microseconds(50)
        }
        #expect(pace.roundByteCount == 256 << 10)
        pace.gave(256 << 10, isTaken: false, at: now)
        let isChanged = pace.took(at: now + .milliseconds(1))
        #expect(isChanged && pace.unsentByteCount == 64 << 10)
    }
}
