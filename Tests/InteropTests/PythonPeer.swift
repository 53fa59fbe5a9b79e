import Foundation
import PeerSupport
import TestSupport
import Testing

/// A process that speaks the other end with PyPI's secret-handshake.
final class PythonPeer {
    /// What the process is told.
    struct Order: Encodable {
        enum Role: String, Encodable { case server, client }

        let role: Role
        var port: UInt16 = 0
        let network, seed, peer: String
        let byte_count: Int
        var deadline = 60
    }

    /// What the process found.
    struct Report: Decodable, Equatable {
        var peer, sent, received: String
        var received_byte_count, bytes_behind_goodbye: Int
        var said_goodbye: Bool
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private struct Greeting: Decodable {
        let port: UInt16
    }

    private let process: ChildProcess
    private let output = Pipe()
    private let complaints = Pipe()
    private var unread = Data()

    init(_ order: Order) throws {
        let script = try #require(
            Bundle.module.url(
                forResource: "secret_handshake_peer", withExtension: "py", subdirectory: "Peers"))
        process = try ChildProcess(
            try Interpreter.locate().path,
            [script.path, String(decoding: try JSONEncoder().encode(order), as: UTF8.self)],
            environment: ProcessInfo.processInfo.environment,
            streams: [.standardInput] + [output, complaints].map(\.fileHandleForWriting))
        // They are the peer's alone, so that its end is seen.
        for pipe in [output, complaints] { try pipe.fileHandleForWriting.close() }
    }

    /// The port that a server listens on or a client dials, its first line.
    func port() throws -> UInt16 { try JSONDecoder().decode(Greeting.self, from: line()).port }

    /// The report, its last line; the process has ended then.
    func report() throws -> Report {
        let report = try JSONDecoder().decode(Report.self, from: line())
        process.waitUntilEnded()
        return report
    }

    /// Ends a process that was left alone; its own deadline would, later.
    deinit { process.signal(SIGTERM) }

    /// The next line, in time because the process ends at its deadline.
    private func line() throws -> Data {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                defer { unread = Data(unread[(end + 1)...]) }
                return Data(unread[..<end])
            }
            let arrived = output.fileHandleForReading.availableData
            guard !arrived.isEmpty else {
                let complaint = complaints.fileHandleForReading.readDataToEndOfFile()
                throw Failure(description: "the peer said: \(String(decoding: complaint, as: UTF8.self))")
            }
            unread += arrived
        }
    }
}
