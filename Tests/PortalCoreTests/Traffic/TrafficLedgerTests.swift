import NIOCore
import PortalCore
import TestSupport
import Testing
import TypedSodium

@Suite("What passes for whom in a month")
struct TrafficLedgerTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test(
        "knows months of universal time",
        arguments: [
            (0 as UInt64, "1970-01-01", "1970-02-01"), (1_795_776_000, "2026-11-01", "2026-12-01"),
            (1_798_761_599, "2026-12-01", "2027-01-01"), (1_798_761_600, "2027-01-01", "2027-02-01"),
            (1_709_251_199, "2024-02-01", "2024-03-01"), (1_709_251_200, "2024-03-01", "2024-04-01"),
            (4_107_542_399, "2100-02-01", "2100-03-01"), (4_107_542_400, "2100-03-01", "2100-04-01"),
        ])
    func months(seconds: UInt64, first: String, next: String) {
        let month = CalendarMonth(unixSeconds: seconds)
        #expect(month.firstDay == first && month.next.firstDay == next)
        #expect(month < month.next)
    }

    @Test("goes on from what was kept of this month, and of no other")
    func restores() throws {
        let month = CalendarMonth(number: 100)
        var settings = TrafficSettings()
        settings.member.bytesPerMonth = 1_000
        let ledger = TrafficLedger(settings, month: month)
        let (key, other) = (try Identity.random().publicKey, try Identity.random().publicKey)
        ledger.restore(
            [TrafficUsage(payer: .member(other), byteCount: 5)], of: CalendarMonth(number: 99), at: Self.start
        )
        ledger.restore(
            [
                TrafficUsage(payer: .member(key), byteCount: 1_000),
                TrafficUsage(payer: .source("192.0.2.1"), byteCount: 7),
            ], of: month, at: Self.start)
        #expect(ledger.usage(of: .member(key)).isUsedUp && ledger.usage(of: .member(key)).byteCount == 1_000)
        #expect(ledger.usage(of: .member(other)).byteCount == 0)
        #expect(ledger.takeChanges().usages.isEmpty, "it is kept already")

        #expect(!ledger.turn(to: CalendarMonth(number: 99)) && !ledger.turn(to: month))
        #expect(ledger.turn(to: month.next))
        #expect(!ledger.usage(of: .member(key)).isUsedUp && ledger.usages.isEmpty)
    }

    @Test("a higher limit counts at once")
    func follows() throws {
        var settings = TrafficSettings()
        settings.member.bytesPerMonth = 1_000
        let ledger = TrafficLedger(settings, month: CalendarMonth(number: 1))
        let key = try Identity.random().publicKey
        ledger.restore(
            [TrafficUsage(payer: .member(key), byteCount: 1_000)], of: CalendarMonth(number: 1),
            at: Self.start)
        settings.member.bytesPerMonth = 2_000
        ledger.update(settings, at: Self.start)
        #expect(!ledger.usage(of: .member(key)).isUsedUp)
        #expect(ledger.usages.map(\.isUsedUp) == [false])
    }
}
