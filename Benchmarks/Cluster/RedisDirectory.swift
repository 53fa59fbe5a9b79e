internal import Foundation
internal import PeerSupport

/// A directory of tokens in a Redis server, as another design would have it: SET with expiry, GET.
final class RedisDirectory {
    private static let keyCount = 100_000

    private let stage: Stage
    private let server: Child
    private let socket: LoopbackSocket
    private var unread: [UInt8] = []

    /// Starts a server of its own, which stores nothing.
    init(_ program: String, stage: Stage) throws {
        self.stage = stage
        let port = try LoopbackSocket.freePort()
        server = try stage.launch(
            "redis", program,
            ["--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        let deadline = ContinuousClock.now + .seconds(10)
        while (try? LoopbackSocket.dialling(port)) == nil, ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.02)
        }
        socket = try LoopbackSocket.dialling(port)
    }

    func end() { stage.end([server]) }

    /// What announcing and looking up cost.
    func rows(during seconds: Double) throws -> [Row] {
        let start = ContinuousClock.now
        let before = ProcessTable().usage(of: [server.id])
        for first in stride(from: 0, to: Self.keyCount, by: 500) {
            let commands = (first..<first + 500).map {
                Self.command("SET", Self.key($0), "machine-of-16-byte", "EX", "90")
            }
            try socket.writeAll(commands.flatMap(\.self))
            for _ in commands { try answer() }
        }
        let time = (ContinuousClock.now - start).inSeconds
        let after = ProcessTable().usage(of: [server.id])
        let alone = try times(during: seconds, atOnce: 1)
        let many = try times(during: seconds, atOnce: 64)
        return [
            Row(
                name: "Redis, GET",
                figures: [
                    Figure("alone p50", "ms", alone.values.median), Figure("alone p99", "ms", alone.p99),
                    Figure("of 64 p50", "ms", many.values.median), Figure("of 64 p99", "ms", many.p99),
                    Figure("rate", "/s", many.rate),
                ], group: "look-ups that all machines answer"),
            Row(
                name: "Redis, SET with expiry",
                figures: [
                    Figure("48 tokens", "ms", time * 1e3 / Double(Self.keyCount) * 48),
                    Figure(
                        "CPU", "ms", (after.cpuSeconds - before.cpuSeconds) * 1e3 / Double(Self.keyCount) * 48
                    ),
                    Figure(
                        "memory a token", "B",
                        Double(after.proportionalByteCount - before.proportionalByteCount)
                            / Double(Self.keyCount)),
                ], group: "a directory that is told every token"),
        ]
    }

    private func times(during seconds: Double, atOnce width: Int) throws -> LookUpTimes {
        var times = LookUpTimes()
        let start = ContinuousClock.now
        var number = 0
        while (ContinuousClock.now - start).inSeconds < seconds {
            let began = ContinuousClock.now
            let commands = (0..<width).map { index in
                Self.command("GET", Self.key((number &+ index) &* 7_919 % Self.keyCount))
            }
            number += width
            try socket.writeAll(commands.flatMap(\.self))
            for _ in commands {
                try answer()
                times.values.append((ContinuousClock.now - began).inSeconds * 1e3)
            }
        }
        times.rate = Double(times.values.count) / (ContinuousClock.now - start).inSeconds
        return times
    }

    private static func key(_ number: Int) -> String { "token:\(number):abcdefghijklmnopqrstuvwxyz0123456" }

    /// A command as RESP has it.
    private static func command(_ words: String...) -> [UInt8] {
        Array(
            (["*\(words.count)"] + words.flatMap { ["$\($0.utf8.count)", $0] }).map { $0 + "\r\n" }.joined()
                .utf8)
    }

    /// Reads one answer: a line, and the bytes that it announces.
    private func answer() throws {
        let line = try line()
        guard line.first == UInt8(ascii: "$"),
            let count = Int(String(decoding: line.dropFirst(), as: UTF8.self)),
            count >= 0
        else { return }
        _ = try self.line()
    }

    private func line() throws -> [UInt8] {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\r")), end + 1 < unread.count {
                defer { unread.removeFirst(end + 2) }
                return Array(unread[..<end])
            }
            let bytes = try socket.read(atMost: 64 << 10)
            guard !bytes.isEmpty else { throw LoopbackSocket.Failure.ended }
            unread += bytes
        }
    }
}
