import Foundation
import PeerSupport
import Testing

extension Integration {
    @Suite("Transfers")
    struct TransferTests {
        private static let pattern = Pattern.mebibytes(64, seed: 64)
        private static let limit = Duration.seconds(120)

        @Test("64 MiB through --listen, down and up, are the same bytes")
        func listen() async throws {
            try await Stage.run { stage in
                let network = try await Self.network(on: stage)

                let down = try await LocalConnection.dial(network.forward("source").port)
                let received = try await down.end(within: Self.limit)
                #expect(received.ending == .complete)
                #expect(received.byteCount == Self.pattern.byteCount)
                #expect(received.hash == Self.pattern.hash)

                let up = try await LocalConnection.dial(network.forward("sink").port)
                try await before(Self.limit) {
                    try await up.send(Self.pattern)
                    try await up.sendEnd()
                }
                #expect(try await up.text(64, within: Self.limit) == Self.pattern.hash.hexadecimal)
                #expect(try await up.end().ending == .complete)
            }
        }

        @Test("64 MiB through --stdio, down and up, from and to files, are the same bytes")
        func stdio() async throws {
            try await Stage.run { stage in
                let network = try await Self.network(on: stage)
                let file = stage.path("file")
                try Self.pattern.write(to: file)

                let input = try #require(FileHandle(forReadingAtPath: file))
                let up = try network.connect("sink", ["--stdio"], input: input)
                #expect(try await up.end(within: Self.limit) == .exit(0))
                #expect(up.outputText == Self.pattern.hash.hexadecimal)

                let copy = stage.path("copy")
                try Data().write(to: URL(fileURLWithPath: copy))
                let output = try #require(FileHandle(forWritingAtPath: copy))
                let down = try network.connect("source", ["--stdio"], outputFile: output)
                #expect(try await down.end(within: Self.limit) == .exit(0))
                #expect(FileManager.default.contentsEqual(atPath: copy, andPath: file))
            }
        }

        private static func network(on stage: Stage) async throws -> TestNetwork {
            try await TestNetwork.start(
                on: stage,
                services: [
                    "source": stage.service(.source(pattern)).port, "sink": stage.service(.sink).port,
                ])
        }
    }
}
