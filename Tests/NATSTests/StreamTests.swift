import NATS
import PeerSupport
import TestSupport
import Testing

@Suite("NATS: streams, with a real server", .serialized)
struct StreamTests {
    private func connected(_ server: NATSServer) async throws -> NATSConnection {
        let events = Watched<[NATSEvent]>([])
        let connection = try NATSConnection(NATSSettings(servers: [server.address], name: "test")) { event in
            events.update { $0.append(event) }
        }
        _ = try await events.first { $0.contains(.connected) ? true : nil }
        return connection
    }

    @Test("is made once by several at a time, and read to its end")
    func reading() async throws {
        let server = try await NATSServer(["-js"])
        let connections = [
            try await connected(server), try await connected(server), try await connected(server),
        ]
        let streams = try connections.map { try $0.stream("cw-test", subject: "cw.test.log") }
        #expect(throws: NATSError.noSuchStream("cw-test")) { try streams[0].extent() }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for stream in streams { tasks.addTask { try stream.createIfAbsent(replicas: 1) } }
            try await tasks.waitForAll()
        }
        #expect(try streams[0].extent().last == 0)
        #expect(try streams[0].read(from: 1).isEmpty)
        for number in 0..<50 as Range<UInt64> {
            let stream = streams[Int(number % 3)]
            let place = try stream.append([UInt8(number)], behind: number)
            #expect(place == number + 1)
        }
        let (all, part): ([[UInt8]], [[UInt8]]) = ((0..<50).map { [$0] }, (40..<45).map { [$0] })
        #expect(try streams[1].read(from: 1) == all)
        #expect(try streams[1].read(from: 41, limit: 5) == part)
        #expect(try streams[1].read(from: 51).isEmpty)
        #expect(throws: NATSError.missing(51)) { try streams[1].message(51) }
    }

    @Test("is made once by eight at a time, time after time; what another stream has is refused in words")
    func creation() async throws {
        let server = try await NATSServer(["-js"])
        var connections: [NATSConnection] = []
        for _ in 0..<8 { connections.append(try await connected(server)) }
        for round in 0..<60 {
            let streams = try connections.map { try $0.stream("cw-\(round)", subject: "cw.\(round).log") }
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for stream in streams {
                    tasks.addTask { try await onThread { try stream.createIfAbsent(replicas: 1) } }
                }
                try await tasks.waitForAll()
            }
        }
        let other = try connections[0].stream("cw-other", subject: "cw.0.log")
        #expect(throws: NATSError.subjectTaken("cw.0.log")) { try other.createIfAbsent(replicas: 1) }
    }

    @Test("lets one of several append behind the same message, and tells the others")
    func contention() async throws {
        let server = try await NATSServer(["-js"])
        let connections = [try await connected(server), try await connected(server)]
        let streams = try connections.map { try $0.stream("cw-test", subject: "cw.test.log") }
        try streams[0].createIfAbsent(replicas: 1)
        var random = SeededRandom(seed: 5)
        for round in 0..<20 as Range<UInt64> {
            let outcomes = await withTaskGroup(of: Bool.self) { tasks in
                for stream in streams.shuffled(using: &random) {
                    tasks.addTask { (try? stream.append([UInt8(round)], behind: round)) == round + 1 }
                }
                return await tasks.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count { $0 } == 1)
        }
        #expect(throws: NATSError.outdated) { try streams[0].append([1], behind: 3) }
        #expect(throws: NATSError.outdated) { try streams[0].append([1], behind: 0) }
        let extent = try streams[1].extent()
        #expect(extent.first == 1)
        #expect(extent.last == 20)
    }

    /// Servers before 2.10 acknowledge what they have not written yet, so the last ones may be gone: whoever keeps a log
    /// here has to notice that it is shorter.
    @Test("goes on behind what it has when its server was killed")
    func killed() async throws {
        let server = try await NATSServer(["-js"])
        let first = try await connected(server).stream("cw-test", subject: "cw.test.log")
        try first.createIfAbsent(replicas: 1)
        for number in 0..<10 { _ = try first.append([UInt8(number)], behind: UInt64(number)) }
        server.kill()
        #expect(throws: NATSError.self) { try first.append([10], behind: 10) }
        try await server.start()
        let again = try await connected(server).stream("cw-test", subject: "cw.test.log")
        try await before(.seconds(20)) {
            while (try? again.extent()) == nil { try await Task.sleep(for: .milliseconds(50)) }
        }
        // What failed may come with the first connection's return: the number that it expects is right still.
        let all: [[UInt8]] = (0...10).map { [$0] }
        let kept = try again.read(from: 1)
        #expect(kept == Array(all.prefix(kept.count)))
        try await before(.seconds(60)) {
            while true {
                let last = try again.extent().last
                guard let number = try? again.append([11], behind: last) else { continue }
                #expect(number == last + 1)
                break
            }
        }
    }

    @Test("says that a server has no JetStream")
    func withoutStreams() async throws {
        let server = try await NATSServer()
        let stream = try await connected(server).stream("cw-test", subject: "cw.test.log")
        #expect(throws: NATSError.noStreams) { try stream.createIfAbsent(replicas: 1) }
        #expect(throws: NATSError.noStreams) { try stream.extent() }
    }
}
