import Blinding
import Testing
import TypedSodium

@Suite("Epoch")
struct EpochTests {
    @Test(
        "is the day in which a second lies",
        arguments: [
            (0, 0), (86_399, 0), (86_400, 1), (1_795_391_999, 20_779), (1_795_392_000, 20_780),
            (.max, .max / 86_400),
        ] as [(UInt64, UInt64)])
    func ofSeconds(_ seconds: UInt64, _ number: UInt64) {
        #expect(Epoch(unixSeconds: seconds) == Epoch(number))
    }

    @Test("has neighbours, except at both ends of the numbers")
    func neighbours() {
        let day = Epoch(20_780)
        #expect(day.previous == Epoch(20_779) && day.next == Epoch(20_781))
        #expect(day.window == [Epoch(20_779), day, Epoch(20_781)])
        #expect(Epoch(0).window == [Epoch(0), Epoch(1)])
        #expect(Epoch(.max).window == [Epoch(.max - 1), Epoch(.max)])
        #expect(Epoch(0).previous == nil && Epoch(.max).next == nil)
    }

    @Test("accepts what is in its window and nothing else")
    func acceptance() {
        let ends: [UInt64] = [0, 1, 2, 3, 20_780, .max - 2, .max - 1, .max]
        for own in ends.map({ Epoch($0) }) {
            for other in ends.map({ Epoch($0) }) {
                #expect(own.accepts(other) == own.window.contains(other))
            }
        }
    }

    @Test("within an hour of midnight a client tries the other side too")
    func candidates() {
        let day: UInt64 = 20_780
        let midnight = day * 86_400
        let (before, own, after) = (Epoch(day - 1), Epoch(day), Epoch(day + 1))
        #expect(Epoch.candidates(atUnixSeconds: midnight) == [own, before])
        #expect(Epoch.candidates(atUnixSeconds: midnight + 3_599) == [own, before])
        #expect(Epoch.candidates(atUnixSeconds: midnight + 3_600) == [own])
        #expect(Epoch.candidates(atUnixSeconds: midnight + 82_799) == [own])
        #expect(Epoch.candidates(atUnixSeconds: midnight + 82_800) == [own, after])
        #expect(Epoch.candidates(atUnixSeconds: midnight + 86_399) == [own, after])
        #expect(Epoch.candidates(atUnixSeconds: 0) == [Epoch(0)])
        #expect(Epoch.candidates(atUnixSeconds: .max).first == Epoch(unixSeconds: .max))
    }

    @Test("its bytes begin with the least significant one")
    func bytes() {
        #expect(Epoch(0x0102_0304_0506_0708).littleEndianBytes.array == [8, 7, 6, 5, 4, 3, 2, 1])
        #expect(Epoch(20_780).littleEndianBytes.array == [0x2C, 0x51, 0, 0, 0, 0, 0, 0])
    }

    @Test("days follow each other")
    func order() {
        #expect(Epoch(1) < Epoch(2))
        #expect(Epoch(2) >= Epoch(2))
    }
}
