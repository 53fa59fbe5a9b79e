import Commands
import Foundation
import Node
import Testing

@Suite("Times, durations and tables of the command line")
struct TextTests {
    @Test(
        "durations are whole days, hours or minutes",
        arguments: [
            ("7d", 604_800), ("12h", 43_200), ("30m", 1_800), ("1m", 60), ("36525d", 36_525 * 86_400),
        ])
    func durations(text: String, seconds: UInt64) {
        #expect(DurationText(text)?.seconds == seconds)
        #expect(Lifetime(text)?.end(from: 100) == seconds + 100)
    }

    @Test(
        "everything else is none",
        arguments: [
            "", "d", "7", "7s", "7D", " 7d", "7d ", "+7d", "-1d", "0d", "1.5h", "36526d", "٧d", "7 d",
            "99999999999999999999d", "7dd",
        ])
    func noDurations(text: String) {
        #expect(DurationText(text) == nil && Lifetime(text) == nil)
    }

    @Test("never is no end")
    func never() { #expect(Lifetime("never") == .forever && Lifetime.forever.end(from: 5) == nil) }

    @Test("times are those of ISO 8601, in universal time")
    func times() throws {
        #expect(TimeText.text(0) == "1970-01-01T00:00:00Z")
        #expect(TimeText.text(951_782_400) == "2000-02-29T00:00:00Z")
        #expect(TimeText.text(4_107_542_399) == "2100-02-28T23:59:59Z")
        #expect(TimeText.text(253_402_300_799) == "9999-12-31T23:59:59Z")
        #expect(TimeText.text(.max) == "9999-12-31T23:59:59Z")
        let style = Date.ISO8601FormatStyle()
        for step in UInt64(0)..<4_000 {
            let seconds = step * 2_000_003  // some 250 years, at every hour and in every month
            let date = Date(timeIntervalSince1970: Double(seconds))
            #expect(TimeText.text(seconds) == date.formatted(style))
        }
    }

    @Test("columns are as wide as their widest entry, and nothing in them moves the cursor")
    func tables() {
        var table = TextTable("A", "BEE", "C")
        table.add("long", "", "x")
        table.add("é", "\u{1B}[2Jb\n\u{202E}", "")
        #expect(
            table.text == """
                A     BEE                      C
                long  -                        x
                é     \\u{1b}[2Jb\\u{a}\\u{202e}  -
                """)
    }
}
