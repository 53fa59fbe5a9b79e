import Commands
import Foundation
import Node
import SecretHandshake
import TestSupport
import Testing
import TypedSodium

@Suite("cway conformance", .timeLimit(.minutes(1)))
struct ConformanceCommandTests {
    private static let keysByteCount = 32 + 24 + 32 + 24

    /// What one side wrote, and how it ended.
    private struct Ending: Sendable {
        let isGood: Bool
        let written: [UInt8]
    }

    /// What crosses between two sides: everything but the keys behind the last message.
    private enum Message: Int, CaseIterable {
        case clientHello = 64
        case serverHello = 65
        case clientAuthenticate = 112
        case serverAccept = 80

        var byteCount: Int { self == .serverHello ? 64 : rawValue }
        var isClients: Bool { self == .clientHello || self == .clientAuthenticate }
    }

    /// Runs both sides, each on pipes of its own, and carries the messages between them by hand.
    ///
    /// Nothing is carried behind a message that `alter` makes shorter: both sides find their pipes closed.
    private func meet(_ alter: (Message, [UInt8]) -> [UInt8] = { $1 }) async throws -> (Ending, Ending) {
        let network = NetworkIdentifier.scuttlebutt
        let (identity, client) = (try Identity.random(), try Identity.random())
        let server = Side { try $0.answer(network: network, identity: identity) }
        let dialler = Side { try $0.begin(with: identity.publicKey, network: network, identity: client) }
        for message in Message.allCases {
            let (source, target) = message.isClients ? (dialler, server) : (server, dialler)
            let bytes = source.read(message.byteCount)
            guard bytes.count == message.byteCount else { break }
            let altered = alter(message, bytes)
            target.write(altered)
            guard altered.count == bytes.count else { break }
        }
        return (await dialler.end(), await server.end())
    }

    /// One side in a thread of its own.
    private final class Side: Sendable {
        private let input = Pipe()
        private let output = Pipe()
        private let results: AsyncStream<Bool>

        init(_ run: @escaping @Sendable (HandshakeSeat) throws -> Void) {
            let (reading, writing) = (input.fileHandleForReading, output.fileHandleForWriting)
            let seat = HandshakeSeat(input: reading.fileDescriptor, output: writing.fileDescriptor)
            let (results, continuation) = AsyncStream.makeStream(of: Bool.self)
            self.results = results
            Thread.detachNewThread {
                // The seat knows their numbers alone.
                let isGood = withExtendedLifetime(reading) {
                    do {
                        try run(seat)
                        return true
                    } catch {
                        return false
                    }
                }
                try? writing.close()
                continuation.yield(isGood)
                continuation.finish()
            }
        }

        func read(_ byteCount: Int) -> [UInt8] {
            var bytes: [UInt8] = []
            while bytes.count < byteCount,
                let piece = try? output.fileHandleForReading.read(upToCount: byteCount - bytes.count),
                !piece.isEmpty
            {
                bytes += piece
            }
            return bytes
        }

        func write(_ bytes: [UInt8]) { try? input.fileHandleForWriting.write(contentsOf: bytes) }

        func end() async -> Ending {
            try? input.fileHandleForWriting.close()
            let rest = read(4096)
            for await isGood in results { return Ending(isGood: isGood, written: rest) }
            return Ending(isGood: false, written: rest)
        }
    }

    @Test("gives both sides the same keys, crosswise")
    func agreement() async throws {
        let (client, server) = try await meet()
        #expect(client.isGood && server.isGood)
        #expect(client.written.count == Self.keysByteCount && server.written.count == Self.keysByteCount)
        #expect(client.written.prefix(56) == server.written.suffix(56))
        #expect(client.written.suffix(56) == server.written.prefix(56))
    }

    @Test("writes nothing more to a peer that flips a bit, in either direction")
    func flippedBits() async throws {
        for message in Message.allCases {
            for index in stride(from: 0, to: message.byteCount, by: 9) {
                let (client, server) = try await meet { sent, bytes in
                    guard sent == message else { return bytes }
                    var bytes = bytes
                    bytes[index] ^= 1 << (index % 8)
                    return bytes
                }
                // The server is content as soon as it has accepted: only the client sees its last message.
                #expect(!client.isGood && client.written.isEmpty, "\(message) \(index)")
                #expect(server.isGood == (message == .serverAccept), "\(message) \(index)")
                #expect(server.isGood || server.written.isEmpty, "\(message) \(index)")
            }
        }
    }

    @Test("takes a peer that closes in the middle of a message for a bad one")
    func truncation() async throws {
        for message in Message.allCases {
            for kept in [0, 1, message.byteCount - 1] {
                let (client, server) = try await meet { sent, bytes in
                    sent == message ? Array(bytes.prefix(kept)) : bytes
                }
                #expect(!client.isGood && client.written.isEmpty, "\(message) \(kept)")
                #expect(server.isGood == (message == .serverAccept), "\(message) \(kept)")
            }
        }
    }

    @Test("refuses keys that are none, and never shows a secret")
    func usage() async throws {
        let network = String(repeating: "0", count: 64)
        let identity = try Identity.random()
        let secret = unsafe identity.withUnsafeSecretBytes { unsafe Array($0) }.hex
        let other = try Identity.random().publicKey.bytes.array.hex
        let own = identity.publicKey.bytes.array.hex
        let lines = [
            ["shs-server", network, secret, other], ["shs-server", network, secret + "0", own],
            ["shs-server", network, "x" + secret.dropFirst(), own], ["shs-server", "00", secret, own],
            ["shs-server", network, secret], ["shs-client", network], ["shs-client", network, "zz"],
            ["shs-server", network, own + other, own],
        ]
        for line in lines {
            let run = await CommandRun(["conformance"] + line)
            #expect(run.code == ExitStatus.usage.rawValue && run.output.isEmpty, "\(line.count)")
            #expect(!run.complaints.contains(secret.prefix(32).dropFirst()))
        }
        #expect(await !CommandRun("help").output.contains("conformance"))
        #expect(await CommandRun("help", "conformance").output.contains("EXAMPLES"))
    }
}
