import Commands
import Node
import Testing

@Suite("The progress bar")
struct ProgressBarTests {
    @Test("fits into every width, and is as wide at all times")
    func widths() {
        for columnCount in 0...120 {
            let room = (columnCount == 0 ? 80 : columnCount) - 1
            let bars = (-1...101).map { ProgressLayout.bar(percent: $0, columnCount: columnCount) }
            #expect(Set(bars.map(\.count)).count == 1 && bars[0].count <= room, "\(columnCount)")
            #expect(bars.last?.isEmpty == (columnCount != 0 && columnCount < 5), "\(columnCount)")
            #expect(bars.allSatisfy { $0.allSatisfy("[#.] 0123456789%".contains) })
        }
        #expect(ProgressLayout.bar(percent: 50, columnCount: 40) == "[################................]  50%")
        #expect(ProgressLayout.bar(percent: 7, columnCount: 12) == "  7%")
    }

    @Test("counts without overflow")
    func percent() {
        #expect(ProgressLayout.percent(.max, of: .max) == 100 && ProgressLayout.percent(5, of: 0) == 0)
        #expect(ProgressLayout.percent(.max / 2, of: .max) == 50 && ProgressLayout.percent(-1, of: 9) == 0)
        #expect(ProgressLayout.percent(999, of: 1_000) == 99)
    }

    @Test("is a bar, some lines, or nothing, as the terminal is")
    func terminals() {
        #expect(ProgressBar.Terminal.of(type: "xterm", isTerminal: true) == .full)
        for type in ["dumb", "", "unknown", nil] {
            #expect(ProgressBar.Terminal.of(type: type, isTerminal: true) == .plain)
        }
        #expect(ProgressBar.Terminal.of(type: "xterm", isTerminal: false) == .absent)
    }

    private static func shown(on terminal: ProgressBar.Terminal) -> String {
        let written = Transcript()
        let bar = ProgressBar(total: 1_000, terminal: terminal, columnCount: { 40 }) { written.append($0) }
        for done in stride(from: 0, through: 1_000, by: 5) { bar.show(done) }
        bar.clear()
        return written.text
    }

    @Test("writes plain lines where the terminal knows nothing else")
    func plain() {
        #expect(Self.shown(on: .plain) == "25%\n50%\n75%\n100%\n")
        #expect(Self.shown(on: .absent).isEmpty)
        let full = Self.shown(on: .full)
        #expect(full.hasSuffix("\r\u{1B}[K") && full.count(where: { $0 == "\r" }) == 102)
    }
}
