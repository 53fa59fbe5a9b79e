import MuxRPC
import NIOCore
import Testing

@testable import Tunnel

@Suite("A way that streams share")
struct SharedWayTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// One stream's receiver, fed by a sender that uses all it may, one step of 100 µs after the other.
    private struct Stream {
        var receiver = ReceiveCredit()
        var sender = SendCredit()
        var now = SharedWayTests.start
        var most = 0

        mutating func run(_ stepCount: Int, bytesPerStep: Int, isShared: Bool) throws {
            for _ in 0..<stepCount {
                now = now + .microseconds(100)
                let byteCount = min(bytesPerStep, sender.available)
                most = max(most, sender.available)
                if byteCount > 0 {
                    sender.spend(byteCount)
                    try receiver.receive(byteCount, at: now)
                }
                for grant in receiver.drain(receiver.undrained, isShared: isShared) { try sender.add(grant) }
            }
        }
    }

    private func key(_ ordinal: UInt64) -> StreamKey {
        StreamKey(session: .outer, stream: StreamID(sentNumber: Int32(ordinal)), ordinal: ordinal)
    }

    @Test("is one where somebody brings little beside somebody else who brings much, lately")
    func kinds() {
        let way = SharedWay()
        #expect(!way.isShared(at: Self.start))
        way.note(key(1), isSparse: false, at: Self.start)
        #expect(!way.isShared(at: Self.start), "alone")
        way.note(key(2), isSparse: nil, at: Self.start)
        #expect(!way.isShared(at: Self.start), "nobody knows yet")
        way.note(key(2), isSparse: true, at: Self.start + .milliseconds(100))
        #expect(way.isShared(at: Self.start + .milliseconds(1999)))
        #expect(!way.isShared(at: Self.start + .milliseconds(2000)), "the large one is over")
        way.note(key(1), isSparse: false, at: Self.start + .milliseconds(2050))
        #expect(way.isShared(at: Self.start + .milliseconds(2099)))
        #expect(!way.isShared(at: Self.start + .milliseconds(2100)), "the small one is")
    }

    @Test("is nobody's who shares with what it was before")
    func change() {
        let way = SharedWay()
        way.note(key(1), isSparse: true, at: Self.start)
        way.note(key(1), isSparse: false, at: Self.start + .milliseconds(10))
        #expect(!way.isShared(at: Self.start + .milliseconds(11)))
        way.note(key(2), isSparse: true, at: Self.start + .milliseconds(12))
        #expect(way.isShared(at: Self.start + .milliseconds(13)))
    }

    @Test("judges a stream by what it carries: much at once, little after a while")
    func pace() {
        var (small, large) = (StreamPace(), StreamPace())
        for step in 0...10 as ClosedRange<Int64> {
            small.carried(64, at: Self.start + .milliseconds(10 * step))
            large.carried(100_000, at: Self.start + .milliseconds(10 * step))
            #expect(large.isSparse == (step == 0 ? nil : false))
            #expect(small.isSparse == (step < 2 ? nil : true))
        }
        #expect(abs(large.bytesPerSecond - 11e6) < 1)
        small.carried(70_000, at: Self.start + .milliseconds(110))
        #expect(small.isSparse == false)
        for step in 12...40 as ClosedRange<Int64> {
            large.carried(10, at: Self.start + .milliseconds(10 * step))
        }
        #expect(large.isSparse == true && large.bytesPerSecond < 10e6)
    }

    @Test("leaves little of a large stream's window under way, and gives all back behind that")
    func keptBack() throws {
        var stream = Stream()
        try stream.run(2000, bytesPerStep: 40_000, isShared: false)
        let window = stream.sender.available + stream.sender.unreturned
        #expect(stream.sender.available > 128 << 10)
        try stream.run(200, bytesPerStep: 40_000, isShared: true)
        stream.most = 0
        try stream.run(2000, bytesPerStep: 40_000, isShared: true)
        #expect(stream.most <= 64 << 10 && stream.most > 0, "the path is short: it holds less than that")
        #expect(stream.sender.available + stream.sender.unreturned == window, "it cannot shrink, nor grows")
        try stream.run(20, bytesPerStep: 40_000, isShared: false)
        #expect(stream.sender.available > 128 << 10)
    }

    @Test("leaves a stream what a long path holds at its rate")
    func longPath() throws {
        var (receiver, now) = (ReceiveCredit(), Self.start)
        var underWay = Credit.initialByteCount
        for step in 0..<200 {
            // A round trip of 100 ms brings all that was allowed before it.
            now = now + .milliseconds(100)
            let byteCount = underWay
            underWay = 0
            var left = byteCount
            while left > 0 {
                let piece = min(16_384, left)
                left -= piece
                try receiver.receive(piece, at: now)
                underWay += receiver.drain(piece, isShared: step > 100).reduce(0, +)
            }
        }
        #expect(underWay >= 1 << 20, "a line that holds much is not left empty")
    }

    @Test("is no reason to keep back what other streams of the session need")
    func sessionsPart() throws {
        var receiver = ReceiveCredit()
        for _ in 0..<4 { _ = receiver.doubleWindow() }
        var receipts = SessionReceipts()
        var isDue: [Bool] = []
        for _ in 0..<15 {
            let before = receiver
            try receiver.receive(512 << 10, at: Self.start)
            let grants = receiver.drain(512 << 10, isShared: true)
            #expect(grants == [224 << 10, 32 << 10], "half of it, while more than little is under way")
            receipts.change(from: before, to: receiver)
            isDue.append(receipts.isGrantDue)
        }
        #expect(isDue == Array(repeating: false, count: 12) + [true, true, true], "3 MiB may be withheld")
        #expect(receiver.grantBack().isEmpty && receiver.withheld == 15 << 18)
        #expect(receiver.grantBack(withholding: false).reduce(0, +) == 15 << 18 && receiver.withheld == 0)
    }

    // MARK: The sender's side

    /// A sender that has all its window, and a reader that grants a step back so long after it has come.
    private struct Sender {
        var pace = SendPace()
        var credit = SendCredit()
        var reader = ReceiveCredit()
        var now = SharedWayTests.start
        /// What is under way, and the grants that are.
        var arriving: [(at: NIODeadline, byteCount: Int)] = []
        var grants: [(at: NIODeadline, byteCount: Int)] = []
        var most = 0
        var sentByteCount = 0

        mutating func run(
            _ stepCount: Int, of step: TimeAmount, delay: TimeAmount, isShared: Bool,
            grantingAtLeast least: Int = 1
        ) throws {
            for _ in 0..<stepCount {
                now = now + step
                while let first = arriving.first, first.at <= now {
                    arriving.removeFirst()
                    try reader.receive(first.byteCount, at: now)
                    for grant in reader.drain(first.byteCount) { grants.append((now + delay, grant)) }
                }
                while let first = grants.first, first.at <= now {
                    grants.removeFirst()
                    let window = credit.window
                    try credit.add(first.byteCount)
                    if credit.window == window { pace.granted(first.byteCount, at: now) }
                }
                let room = pace.room(behind: credit.unreturned, of: credit.window, isShared: isShared)
                let byteCount = min(room, credit.available, 40_000)
                if byteCount > 0 {
                    credit.spend(byteCount)
                    pace.sent(byteCount, at: now)
                    sentByteCount += byteCount
                    arriving.append((now + delay, byteCount))
                }
                most = max(most, credit.unreturned)
            }
        }
    }

    @Test("is not filled by a sender that sees both kinds, and goes on all the while")
    func sendersSide() throws {
        var sender = Sender()
        try sender.run(2000, of: .microseconds(100), delay: .microseconds(300), isShared: false)
        #expect(sender.most >= Credit.initialByteCount - 40_000)
        try sender.run(100, of: .microseconds(100), delay: .microseconds(300), isShared: true)
        (sender.most, sender.sentByteCount) = (0, 0)
        try sender.run(2000, of: .microseconds(100), delay: .microseconds(300), isShared: true)
        #expect(sender.most <= 128 << 10)
        #expect(sender.sentByteCount > 200 * 64 << 10, "a step in each round trip at least")
    }

    @Test("is filled as far as a long path holds, soon")
    func longPathOfSender() throws {
        var sender = Sender()
        try sender.run(3000, of: .milliseconds(1), delay: .milliseconds(50), isShared: false)
        try sender.run(3000, of: .milliseconds(1), delay: .milliseconds(50), isShared: true)
        sender.sentByteCount = 0
        try sender.run(1000, of: .milliseconds(1), delay: .milliseconds(50), isShared: true)
        #expect(sender.sentByteCount > 20_000_000)
    }

    @Test("is left to a reader that gives little at a time, as one does that holds the stream itself")
    func readersTurn() {
        var pace = SendPace()
        pace.sent(200 << 10, at: Self.start)
        #expect(pace.room(behind: 200 << 10, of: 256 << 10, isShared: true) == 0)
        pace.granted(16 << 10, at: Self.start)
        #expect(pace.room(behind: 200 << 10, of: 256 << 10, isShared: true) == .max)
        pace.granted(64 << 10, at: Self.start)
        #expect(pace.room(behind: 100 << 10, of: 256 << 10, isShared: true) == 28 << 10)
        #expect(pace.room(behind: 100 << 10, of: 256 << 10, isShared: false) == .max)
    }
}
