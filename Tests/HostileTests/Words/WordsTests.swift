import Foundation
import Multiserver
import MuxRPC
import PeerSupport
import TestSupport
import Testing

extension Hostile {
    /// What a portal says ends in the log of a node, and before the eyes of somebody who calls it.
    @Suite("Words of a hostile portal")
    struct WordsTests {
        /// Clears a screen, in two ways, turns the direction of writing, and makes up a line.
        private static let words = "x\u{1B}[2J\u{9B}2J\u{202E}\n2026-01-01T00:00:00Z info cway: friend=anna"
        private static let shown = "x\\u{1b}[2J\\u{9b}2J\\u{202e}"

        private static let portal = ScriptedPortal { call, _ in
            call.name == ["whoami"] ? .value(["name": .string(words)]) : .error(words)
        }

        private static func expectPlain(_ text: String) {
            let allowed = { (scalar: Unicode.Scalar) in
                scalar == "\n" || scalar == "\r" || scalar.properties.generalCategory != .control
            }
            #expect(
                text.unicodeScalars.allSatisfy(allowed) && !text.contains("\u{202E}"),
                "\(text.debugDescription)")
        }

        @Test("are plain characters where a call is refused", .timeLimit(.minutes(1)))
        func error() async throws {
            try await Self.portal.run { portal in
                let (code, text) = try await Self.cway(["call", "\(portal)", "tunnel.ping"])
                #expect(code != 0 && text.contains(Self.shown), "\(text.debugDescription)")
                Self.expectPlain(text)
            }
        }

        @Test("are plain characters where a call is answered at a terminal", .timeLimit(.minutes(1)))
        func answer() async throws {
            try await Self.portal.run { portal in
                let (code, text) = try await Self.cway(["call", "\(portal)", "whoami"], atTerminal: true)
                #expect(code == 0 && text.contains("\\u001b[2J"), "\(text.debugDescription)")
                Self.expectPlain(text)
            }
        }

        @Test("are plain characters in the log of a node that is refused", .timeLimit(.minutes(1)))
        func log() async throws {
            try await Self.portal.run { portal in
                let (_, text) = try await Self.cway(
                    ["serve", "--visible", "--allow-anyone", "--portal", "\(portal)"]
                ) { $0.contains("x\\u{1b}") }
                #expect(text.contains(Self.shown), "\(text.debugDescription)")
                #expect(!text.contains("\n2026-01-01"))
                Self.expectPlain(text)
            }
        }

        /// Runs the built program with a home of its own, until it ends or has said what is awaited; all that it said.
        private static func cway(
            _ arguments: [String], atTerminal: Bool = false, until isEnough: (String) -> Bool = { _ in false }
        ) async throws -> (code: Int32, text: String) {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
                "cway-words-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let file = folder.appendingPathComponent("said")
            _ = FileManager.default.createFile(atPath: file.path, contents: nil)
            let built = ChildProcess.built("cway")
            var line = [built.path] + arguments + ["--home", folder.path + "/home"]
            if atTerminal {
                let command = line.map { "'\($0)'" }.joined(separator: " ")
                line = ["/usr/bin/script", "--quiet", "--return", "--command", command, "/dev/null"]
            }
            let written = try FileHandle(forWritingTo: file)
            let process = try CwayProcess(
                URL(fileURLWithPath: line[0]), Array(line.dropFirst()), outputFile: written,
                errorFile: written)
            let ending = Task { try await process.end(within: .seconds(40)) }
            let limit = ContinuousClock.now + .seconds(20)
            while process.ending == nil, ContinuousClock.now < limit, !isEnough(try text(in: file)) {
                try await Task.sleep(for: .milliseconds(20))
            }
            process.signal(SIGTERM)
            let code =
                switch try await ending.value {
                case .exit(let code): code
                case .signal(let number): number
                }
            return (code, try text(in: file))
        }

        private static func text(in file: URL) throws -> String {
            String(decoding: try Data(contentsOf: file), as: UTF8.self)
        }
    }
}
