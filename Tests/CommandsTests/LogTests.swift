import Commands
import Node
import Testing

@Suite("What is logged, and what waits to be written")
struct LogTests {
    private static let start = ContinuousClock.now

    @Test("a line about one subject comes once a second, with the number of those between")
    func repeated() {
        var throttle = LogThrottle()
        #expect(throttle.admit("tunnel refused", about: "anna", at: Self.start) == 0)
        for step in 1..<1_000 {
            #expect(
                throttle.admit("tunnel refused", about: "anna", at: Self.start + .milliseconds(step)) == nil)
        }
        #expect(throttle.admit("tunnel refused", about: "bert", at: Self.start + .milliseconds(999)) == 999)
        #expect(throttle.admit("left", about: "anna", at: Self.start) == 0, "another kind")
        #expect(throttle.admit("tunnel refused", about: "anna", at: Self.start + .seconds(1)) == 0)
    }

    @Test("what was left out is told once, also where no line of the kind comes any more")
    func omitted() {
        var throttle = LogThrottle()
        for _ in 0..<4 { _ = throttle.admit("tunnel refused", about: "anna", at: Self.start) }
        #expect(throttle.hasOmitted)
        #expect(throttle.takeOmitted().map(\.kind) == ["tunnel refused"])
        #expect(!throttle.hasOmitted && throttle.takeOmitted().isEmpty)
        #expect(throttle.admit("tunnel refused", about: "anna", at: Self.start + .seconds(2)) == 0)
    }

    @Test("a kind of line comes ten times in any second, whoever it is about", arguments: [true, false])
    func kinds(_ hasSubject: Bool) {
        var (throttle, times) = (LogThrottle(), [Duration]())
        for step in 0..<30_000 {
            let time = Duration.microseconds(step * 100)
            let subject = hasSubject ? "source \(step)" : nil
            if throttle.admit("refused", about: subject, at: Self.start + time) != nil { times.append(time) }
        }
        #expect(times.count == 30)
        for (index, time) in times.enumerated().dropFirst(10) {
            #expect(time - times[index - 10] >= .seconds(1))
        }
    }

    @Test("no subject and no kind is remembered beyond the bound")
    func bounds() {
        var throttle = LogThrottle()
        for step in 0..<5_000 {
            _ = throttle.admit(
                "kind \(step % 700)", about: "source \(step)", at: Self.start + .microseconds(step))
        }
        #expect(throttle.subjectCount == LogThrottle.subjectCountLimit)
        #expect(throttle.kindCount == LogThrottle.kindCountLimit)
    }

    @Test("what does not fit is dropped and counted, in its place")
    func backlog() {
        var backlog = LogBacklog()
        let line = String(repeating: "x", count: 1_023) + "\n"
        backlog.append("first\n")
        let first = backlog.take()
        for _ in 0..<2_000 { backlog.append(line) }
        #expect(backlog.byteCount <= LogBacklog.byteCountLimit)
        let keptCount = (backlog.byteCount - first.count) / 1_024
        #expect(keptCount == 1_023 && String(decoding: first, as: UTF8.self) == "first\n")
        backlog.finishedWriting()
        backlog.append("late\n")
        let text = String(decoding: backlog.take(), as: UTF8.self)
        #expect(
            text.hasSuffix("x\n\(2_000 - keptCount) lines dropped: the log was not read fast enough\nlate\n"))
        #expect(!backlog.isEmpty)
        backlog.finishedWriting()
        #expect(backlog.isEmpty && backlog.take().isEmpty)
    }

    @Test("what was dropped is said also when nothing comes behind it")
    func droppedLast() {
        var backlog = LogBacklog()
        backlog.append(String(repeating: "x", count: LogBacklog.byteCountLimit + 1))
        #expect(!backlog.isEmpty)
        let text = String(decoding: backlog.take(), as: UTF8.self)
        #expect(text == "1 lines dropped: the log was not read fast enough\n")
    }
}
