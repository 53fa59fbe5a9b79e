import NIOCore
import Testing
import Tunnel

@Suite("Credit")
struct CreditTests {
    private static let start = NIODeadline.uptimeNanoseconds(0)

    @Test("starts with a window of 256 KiB, and takes not one byte more")
    func firstWindow() throws {
        var receiver = ReceiveCredit()
        try receiver.receive(262_144)
        #expect(receiver.undrained == 262_144)
        #expect(throws: CreditError.exceeded) { try receiver.receive(1) }
        #expect(SendCredit().available == 262_144)
        #expect(SendCredit().unreturned == 0)
    }

    @Test("is granted back 64 KiB or a thirty-second of the window at a time, for what was drained")
    func grants() throws {
        var receiver = ReceiveCredit()
        try receiver.receive(262_144)
        #expect(receiver.drain(65_535).isEmpty)
        #expect(receiver.drain(1) == [65_536])
        #expect(receiver.drain(65_536) == [65_536], "half the window waits: the reader does not keep up")
        #expect(receiver.drain(131_072) == [131_072], "how long the path is has yet to be seen")
        try receiver.receive(65_536, at: Self.start + .milliseconds(100))
        let grants = receiver.drain(65_536)
        #expect(grants == [65_536, 262_144], "nothing waits on a long path: the window doubles")
        try receiver.receive(524_288)
        #expect(throws: CreditError.exceeded) { try receiver.receive(1) }
    }

    @Test("doubles a window only once half of it was drained, however often something is granted")
    func growth() throws {
        var receiver = ReceiveCredit()
        var (window, available, drained, largest) = (262_144, 262_144, 0, 0)
        for round in 0..<20 as Range<Int64> {
            var left = available
            available = 0
            while left > 0 {
                let byteCount = min(65_536, left)
                left -= byteCount
                try receiver.receive(byteCount, at: Self.start + .milliseconds(100 * round))
                drained += byteCount
                for grant in receiver.drain(byteCount) {
                    available += grant
                    guard grant == window else {
                        largest = max(largest, grant)
                        continue
                    }
                    #expect(drained >= window / 2)
                    (window, drained) = (window * 2, 0)
                }
            }
        }
        #expect(window == 4_194_304 && largest == 131_072)
    }

    @Test("returns drained bytes in no grant that would double the sender's window")
    func drainsWindow() throws {
        var (sender, receiver) = (SendCredit(), ReceiveCredit())
        sender.spend(262_144)
        try receiver.receive(262_144)
        #expect(receiver.drain(262_144) == [262_143])
        try sender.add(262_143)
        sender.spend(262_143)
        try receiver.receive(262_143, at: Self.start + .milliseconds(100))
        let grants = receiver.drain(262_143)
        #expect(grants == [262_143, 262_144])
        for grant in grants { try sender.add(grant) }
        #expect(sender.available == 524_287)
        #expect(sender.unreturned == 1, "one byte is drained and not granted back")
    }

    @Test("doubles up to 4 MiB while the reader keeps up")
    func doubling() throws {
        var (sender, receiver) = (SendCredit(), ReceiveCredit())
        for round in 0..<20 as Range<Int64> {
            let byteCount = sender.available
            sender.spend(byteCount)
            try receiver.receive(byteCount, at: Self.start + .milliseconds(100 * round))
            for grant in receiver.drain(byteCount) { try sender.add(grant) }
            #expect(sender.available <= 4_194_304)
        }
        #expect(sender.available + sender.unreturned == 4_194_304)
        #expect(sender.unreturned < 4_194_304 / 32)
    }

    @Test("refuses grants that are none", arguments: [0, -1, 4_194_305, Int.max, Int.min])
    func badGrants(_ grant: Int) {
        var sender = SendCredit()
        #expect(throws: CreditError.badGrant) { try sender.add(grant) }
        #expect(sender.available == 262_144)
    }

    @Test("refuses grants that bring what is outstanding above 4 MiB")
    func tooMuchOutstanding() throws {
        var sender = SendCredit()
        #expect(throws: CreditError.badGrant) { try sender.add(4_194_304) }
        try sender.add(4_194_304 - 262_144)
        #expect(sender.available == 4_194_304)
        #expect(throws: CreditError.badGrant) { try sender.add(1) }
        sender.spend(1)
        try sender.add(1)
    }

    @Test("of a session: one stalled stream leaves a sixteenth to the others")
    func oneStalled() {
        let (session, stalled) = fill(SessionCredit())
        #expect(stalled.unreturned >= 3_932_100 && session.unreturned == stalled.unreturned)
        let (_, next) = fill(session)
        #expect(next.unreturned > 245_000, "the next gets nearly a first window")
    }

    @Test("of a session: every stalled stream leaves a part to the next")
    func manyStalled() {
        var session = SessionCredit()
        for count in 1...5 {
            let (after, stream) = fill(session)
            #expect(stream.unreturned > 0, "\(count) streams")
            session = after
            #expect(session.unreturned < Credit.sessionByteCount)
        }
    }

    @Test("of a session: what is drained is kept back until it could stop somebody")
    func sessionReceipts() throws {
        var receipts = SessionReceipts()
        var streams = [ReceiveCredit](repeating: ReceiveCredit(), count: 22)
        for index in streams.indices {
            #expect(!receipts.isGrantDue)
            let before = streams[index]
            try streams[index].receive(65_535)
            #expect(streams[index].drain(65_535).isEmpty)
            receipts.change(from: before, to: streams[index])
        }
        #expect(receipts.ungranted == 22 * 65_535 && receipts.isGrantDue)
        for index in streams.indices {
            let before = streams[index]
            #expect(streams[index].grantBack() == [65_535])
            #expect(streams[index].grantBack().isEmpty)
            receipts.change(from: before, to: streams[index])
        }
        #expect(receipts.ungranted == 0 && !receipts.isGrantDue)
    }

    /// A stream that sends all it may, with a window of 4 MiB, and gets nothing back.
    private func fill(_ session: SessionCredit) -> (SessionCredit, SendCredit) {
        var (session, stream) = (session, SendCredit())
        for grant in [262_144, 524_288, 1_048_576, 2_097_152] { try? stream.add(grant) }
        while case let byteCount = min(65_536, session.allowance(for: stream)), byteCount > 0 {
            let before = stream.unreturned
            stream.spend(byteCount)
            session.change(from: before, to: stream.unreturned)
        }
        return (session, stream)
    }
}
