import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import SecretHandshake
import SecureSession
import Testing
import Transport
import TypedSodium

extension Hostile {
    /// A program without credit sends 30 MiB ahead to one that reads slowly; nobody is hostile here.
    @Suite("A large transfer to a slow reader")
    struct LargeTransferTests {
        @Test("completes beside pings of the same program", .timeLimit(.minutes(5)))
        func slowReader() async throws {
            // 30 MiB at 200 KB/s; in the short form 6 MiB at 3 MB/s.
            let (byteCount, perTenth) = ListeningPortal.isLong ? (30 << 20, 20_000) : (6 << 20, 300_000)
            try await BesiegedEndpoint.run { besieged in
                let own = try Identity.drawn()
                let reader = try await besieged.attacker(from: 66, as: own)
                try await reader.act { caller in
                    _ = try caller.outer.muxrpc.call(["tunnel", "announce"], [])
                }
                let sender = try await besieged.attacker(from: 67)
                let ping = try await sender.session(
                    with: besieged.identity.publicKey, as: besieged.honest)
                let before = try await Self.pings(20, of: sender, in: ping)
                let tunnel = try await sender.act { try $0.openTunnel(to: own.publicKey) }
                try await reader.act { $0.read(perTenth) }
                try await sender.act { caller in
                    let piece = ByteBuffer(repeating: 7, count: 64 << 10)
                    for _ in 0..<(byteCount >> 16) { caller.outer.send(piece, on: tunnel) }
                }
                var during: [Duration] = []
                while try await reader.act({ $0.tunnelByteCount }) < byteCount {
                    during += try await Self.pings(5, of: sender, in: ping)
                    #expect(try await sender.act { $0.endings.isEmpty })
                    if try await sender.act({ !$0.endings.isEmpty }) { break }
                }
                during.sort()
                print("large: \(during.count) pings, \(before.percentile(99)) → \(during.percentile(99))")
                #expect(during.percentile(99) <= before.percentile(99) + .milliseconds(250))
                #expect(try await reader.act { $0.tunnelByteCount } == byteCount)
                sender.close()
                reader.close()
            }
        }

        /// How long so many pings take in a session of the sender's, sorted.
        private static func pings(
            _ count: Int, of sender: Attacker, in tunnel: StreamID
        ) async throws -> [Duration] {
            let clock = ContinuousClock()
            var times: [Duration] = []
            for _ in 0..<count {
                let began = clock.now
                let replies = try await sender.act { caller in
                    _ = try caller.sessions[tunnel]?.muxrpc.call(["tunnel", "ping"], [])
                    return caller.replyCount
                }
                while try await sender.act({ $0.replyCount }) == replies, clock.now - began < .seconds(5) {
                    try await Task.sleep(for: .milliseconds(1))
                }
                times.append(clock.now - began)
            }
            return times.sorted()
        }
    }
}
