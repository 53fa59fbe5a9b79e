import SecretHandshake
import TestSupport
import Testing
import TypedSodium

/// The machines ask for byte counts, so that it does not matter in what runs a transport delivers.
@Suite("Splits")
struct SplitTests {
    let meeting: Meeting

    init() throws { meeting = try Meeting(seed: 0x5_9117) }

    @Test("a client that hears its messages split anywhere is answered once")
    func client() throws {
        let heard = meeting.serverHello + meeting.accept + [1, 2, 3, 4, 5]
        for position in 0...heard.count {
            try listen(to: [heard[..<position], heard[position...]])
        }
    }

    @Test("a client that hears runs of random length", arguments: 0..<32 as Range<UInt64>)
    func clientRuns(_ seed: UInt64) throws {
        try listen(to: runs(of: meeting.serverHello + meeting.accept + [1, 2, 3, 4, 5], seed: seed))
    }

    @Test("a server that hears its messages split anywhere answers once")
    func server() throws {
        let heard = meeting.hello + meeting.authenticate + [6, 7, 8]
        for position in 0...heard.count {
            try serve([heard[..<position], heard[position...]])
        }
    }

    @Test("a server that hears runs of random length", arguments: 0..<32 as Range<UInt64>)
    func serverRuns(_ seed: UInt64) throws {
        try serve(runs(of: meeting.hello + meeting.authenticate + [6, 7, 8], seed: seed))
    }

    /// Plays the client; what follows the accept has to be left over for the session.
    private func listen(to runs: [ArraySlice<UInt8>]) throws {
        var machine = try meeting.dialling()
        var collector = Collector()
        var sent: [[UInt8]] = []
        var sessions = 0
        for run in runs {
            collector.append(run)
            while let message = collector.next(machine.expectedByteCount) {
                switch try machine.receive(message.span) {
                case .send(let message): sent.append(message)
                case .establish: sessions += 1
                }
            }
        }
        #expect(sent == [meeting.authenticate])
        #expect(sessions == 1)
        #expect(collector.rest == [1, 2, 3, 4, 5])
    }

    /// Plays the server; what follows the authenticate has to be left over for the session.
    private func serve(_ runs: [ArraySlice<UInt8>]) throws {
        var machine = try meeting.listening()
        var collector = Collector()
        var actions: [ServerHandshake.Action] = []
        for run in runs {
            collector.append(run)
            while let message = collector.next(machine.expectedByteCount) {
                actions.append(try machine.receive(message.span))
            }
        }
        #expect(actions == [.send(meeting.serverHello), .decide(client: meeting.client.publicKey)])
        #expect(collector.rest == [6, 7, 8])
        #expect(try machine.accept().message == meeting.accept)
    }

    private func runs(of bytes: [UInt8], seed: UInt64) -> [ArraySlice<UInt8>] {
        var random = SeededRandom(seed: seed)
        var rest = bytes[...]
        var runs: [ArraySlice<UInt8>] = []
        while !rest.isEmpty {
            let run = rest.prefix(Int.random(in: 1...40, using: &random))
            runs.append(run)
            rest = rest.dropFirst(run.count)
        }
        return runs
    }
}
