import TestSupport
import Testing
import Tunnel

/// Senders and receivers that do as they like, within the rules.
@Suite("Credit between any two")
struct CreditPropertyTests {
    /// One stream, with what is under way in both directions.
    private struct Stream {
        var sender = SendCredit()
        var receiver = ReceiveCredit()
        /// Bytes that were sent and have not arrived.
        var flying = 0
        var grants: [Int] = []
        /// Drained and not granted back yet, or in a grant that has not arrived.
        var returning = 0

        /// What the receiver has not returned, in truth.
        var outstanding: Int { flying + receiver.undrained + returning }
    }

    @Test("is never breached, and everybody can always go on", arguments: 0..<60 as Range<UInt64>)
    func anyOrder(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var (session, receipts) = (SessionCredit(), SessionReceipts())
        var streams = [Stream](repeating: Stream(), count: Int.random(in: 1...6, using: &random))
        var sentByteCount = 0
        for _ in 0..<3000 {
            let index = Int.random(in: streams.indices, using: &random)
            let (before, received) = (streams[index].sender.unreturned, streams[index].receiver)
            switch Int.random(in: 0...4, using: &random) {
            case 0...1:
                let limit = session.allowance(for: streams[index].sender)
                guard limit > 0 else { continue }
                let byteCount = Int.random(in: 1...limit, using: &random)
                streams[index].sender.spend(byteCount)
                streams[index].flying += byteCount
                sentByteCount += byteCount
            case 2: try arrive(&streams[index], &random)
            case 3: try drain(&streams[index], &random)
            default: try takeGrant(&streams[index])
            }
            let stream = streams[index]
            session.change(from: before, to: stream.sender.unreturned)
            receipts.change(from: received, to: stream.receiver)
            grantBack(&streams, &receipts)
            #expect(stream.sender.available <= Credit.maximumByteCount)
            #expect(stream.sender.unreturned >= stream.outstanding, "the session's limit is on what is true")
            #expect(session.unreturned == streams.map(\.sender.unreturned).reduce(0, +))
            #expect(session.unreturned <= Credit.sessionByteCount)
        }
        #expect(sentByteCount > 1_000_000)
        try finish(&streams, &session, &receipts, stalled: 0)
    }

    @Test("goes on beside a stream that stalls", arguments: 0..<20 as Range<UInt64>)
    func oneStalls(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var (session, receipts) = (SessionCredit(), SessionReceipts())
        var streams = [Stream](repeating: Stream(), count: 4)
        for _ in 0..<20 {
            try exchange(&streams, Array(0..<4).shuffled(using: &random), &session, &receipts)
        }
        // From now on the first is not drained any more.
        while try send(&streams[0], &session, &receipts) > 0 {}
        try finish(&streams, &session, &receipts, stalled: 1)
    }

    /// Everything is drained, but for the streams that stall; then all others move megabytes.
    private func finish(
        _ streams: inout [Stream], _ session: inout SessionCredit, _ receipts: inout SessionReceipts,
        stalled: Int
    ) throws {
        let order = Array(stalled..<streams.count)
        try exchange(&streams, order, &session, &receipts)
        for index in order {
            var byteCount = 0
            for _ in 0..<1000 {
                byteCount += try send(&streams[index], &session, &receipts)
                try exchange(&streams, [index], &session, &receipts)
            }
            #expect(byteCount > 4_000_000, "stream \(index) goes on")
        }
    }

    /// Sends all that may be sent, and lets it arrive.
    private func send(
        _ stream: inout Stream, _ session: inout SessionCredit, _ receipts: inout SessionReceipts
    ) throws -> Int {
        let (before, received) = (stream.sender.unreturned, stream.receiver)
        let byteCount = session.allowance(for: stream.sender)
        stream.sender.spend(byteCount)
        try stream.receiver.receive(byteCount)
        session.change(from: before, to: stream.sender.unreturned)
        receipts.change(from: received, to: stream.receiver)
        return byteCount
    }

    /// Sends on streams, one after the other, and drains and grants all.
    private func exchange(
        _ streams: inout [Stream], _ order: [Int], _ session: inout SessionCredit,
        _ receipts: inout SessionReceipts
    ) throws {
        for index in order {
            _ = try send(&streams[index], &session, &receipts)
            let received = streams[index].receiver
            try streams[index].receiver.receive(streams[index].flying)
            streams[index].flying = 0
            let byteCount = streams[index].receiver.undrained
            streams[index].returning += byteCount
            streams[index].grants += streams[index].receiver.drain(byteCount)
            receipts.change(from: received, to: streams[index].receiver)
        }
        grantBack(&streams, &receipts)
        for index in streams.indices {
            let before = streams[index].sender.unreturned
            while !streams[index].grants.isEmpty { try takeGrant(&streams[index]) }
            session.change(from: before, to: streams[index].sender.unreturned)
        }
    }

    private func grantBack(_ streams: inout [Stream], _ receipts: inout SessionReceipts) {
        guard receipts.isGrantDue else { return }
        for index in streams.indices {
            let received = streams[index].receiver
            streams[index].grants += streams[index].receiver.grantBack()
            receipts.change(from: received, to: streams[index].receiver)
        }
    }

    private func arrive(_ stream: inout Stream, _ random: inout SeededRandom) throws {
        guard stream.flying > 0 else { return }
        let byteCount = Int.random(in: 1...stream.flying, using: &random)
        stream.flying -= byteCount
        try stream.receiver.receive(byteCount)
    }

    private func drain(_ stream: inout Stream, _ random: inout SeededRandom) throws {
        guard stream.receiver.undrained > 0 else { return }
        let byteCount = Int.random(in: 1...stream.receiver.undrained, using: &random)
        stream.returning += byteCount
        stream.grants += stream.receiver.drain(byteCount)
    }

    private func takeGrant(_ stream: inout Stream) throws {
        guard !stream.grants.isEmpty else { return }
        let grant = stream.grants.removeFirst()
        let before = stream.sender.unreturned
        try stream.sender.add(grant)
        // A grant that doubles the window returns nothing.
        stream.returning -= before - stream.sender.unreturned
    }
}
