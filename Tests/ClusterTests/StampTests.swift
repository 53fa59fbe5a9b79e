import Cluster
import NIOCore
import TestSupport
import Testing

@Suite("Cluster: stamps and numbers")
struct StampTests {
    private let start = NIODeadline.uptimeNanoseconds(5_000_000_000)

    @Test(
        "ticks later each time, with the wall clock's milliseconds at the start and monotonic time from then on"
    )
    func ticks() {
        var clock = HybridClock(wallMilliseconds: 1_000, at: start)
        let ticks = [0, 0, 7, 0].map { clock.tick(at: start + .milliseconds($0)) }
        // Time that goes back changes nothing.
        let expected = [1_000 << 16, 1_000 << 16 | 1, 1_007 << 16, 1_007 << 16 | 1].map { HybridTime($0) }
        #expect(ticks == expected)
        #expect(clock.reading(at: start) == expected[3])
    }

    @Test("carries a full counter into the milliseconds")
    func carry() {
        var clock = HybridClock(wallMilliseconds: 1_000, at: start)
        clock.merge(HybridTime(1_000 << 16 | 0xffff))
        let tick = clock.tick(at: start)
        #expect(tick == HybridTime(milliseconds: 1_001))
    }

    @Test("is later than everything that it has merged")
    func merging() {
        var random = SeededRandom(seed: 3)
        var clock = HybridClock(wallMilliseconds: 1_000, at: start)
        var greatest = HybridTime.zero
        for step in 0..<1_000 {
            let now = start + .milliseconds(Int64(step))
            if Bool.random(using: &random) {
                let other = HybridTime(UInt64.random(in: 0...(3_000 << 16), using: &random))
                clock.merge(other)
                greatest = max(greatest, other)
            } else {
                let time = clock.tick(at: now)
                #expect(time > greatest)
                greatest = time
            }
        }
    }

    @Test("orders stamps by time, then by machine")
    func order() {
        let (first, second) = (MachineID(high: 1, low: 9), MachineID(high: 2, low: 0))
        #expect(ClaimStamp(HybridTime(1), second) < ClaimStamp(HybridTime(2), first))
        #expect(ClaimStamp(HybridTime(2), first) < ClaimStamp(HybridTime(2), second))
    }

    @Test("takes each number once, within the last 64, as a set would")
    func window() {
        var random = SeededRandom(seed: 4)
        var window = ReplayWindow(first: 100)
        var (seen, greatest): (Set<UInt64>, UInt64) = ([], 100)
        seen.formUnion(0...100)
        for _ in 0..<20_000 {
            let number = UInt64.random(
                in: (greatest > 90 ? greatest - 90 : 0)...(greatest + 3), using: &random)
            let isFresh =
                !seen.contains(number) && (number > greatest || greatest - number < ReplayWindow.count)
            let isTaken = window.take(number)
            #expect(isTaken == isFresh)
            seen.insert(number)
            greatest = max(greatest, number)
        }
        let last = [.max, .max, 0].map { window.take($0) }
        #expect(last == [true, false, false])
    }
}
