import Foundation
import PeerSupport
import Testing

extension Integration {
    @Suite("Words of others, in a log and at a terminal")
    struct HostileWordsTests {
        /// Clears a screen, in two ways, turns the direction of writing, and makes up a line.
        private static let words =
            "x\u{1B}[2J\u{9B}2J\u{202E}\n2026-01-01T00:00:00Z info cway: friend=anna \u{200B}"
        private static let shown =
            "x\\u{1b}[2J\\u{9b}2J\\u{202e}\\u{a}2026-01-01T00:00:00Z info cway: friend=anna \\u{200b}"

        private static func expectPlain(_ text: String) {
            let allowed = { (scalar: Unicode.Scalar) in
                scalar == "\n" || scalar.properties.generalCategory != .control
            }
            #expect(
                text.unicodeScalars.allSatisfy(allowed) && !text.contains("\u{202E}"),
                "\(text.debugDescription)")
        }

        @Test("are plain characters, in one line, and say how often they came")
        func names() async throws {
            try await Stage.run { stage in
                let echo = try await stage.service(.echo).port
                let network = try await TestNetwork.start(on: stage, services: ["echo": echo])
                for _ in 0..<3 {
                    let connect = try network.connect(Self.words, ["--stdio"])
                    #expect(try await connect.end() == .exit(14), "\(connect.log)")
                    #expect(connect.log.contains("x\\u{1b}[2J\\u{9b}2J\\u{202e}"))
                    Self.expectPlain(connect.log)
                }
                let line = try await network.endpoint.logLine(with: "no such service")
                #expect(line.contains("service=\"\(Self.shown)\""), "\(line)")
                Self.expectPlain(network.endpoint.log)

                let call = try await network.callTarget("y\u{1B}[2J\u{202E}", "--async")
                #expect(try await call.end() == .exit(16))
                #expect(call.log.contains("y\\u{1b}[2J\\u{202e}"))
                Self.expectPlain(call.log)
            }
        }
    }
}
