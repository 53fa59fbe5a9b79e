import MuxRPC
import NIOCore
import SecureSession
import Testing
import Transport
import Tunnel
import TypedSodium

extension Hostile {
    /// One friend with the worst intentions, at an endpoint that serves four honest ones with little of everything.
    @Suite("The worst friend")
    struct WorstFriendTests {
        /// What it opens without an end, and how much it sends on each stream.
        @Test(
            "leaves four honest ones what they need", .timeLimit(.minutes(1)),
            arguments: [
                ("unanswered", 64 << 10), ("stalled", 64 << 10), ("sink", 1), ("deaf", 48 << 10),
                ("unanswered", 0),
            ])
        func all(service: String, byteCount: Int) async throws {
            try await BesiegedEndpoint.run(hostileCount: 4) {
                $0.bytes = 8 << 20
                $0.descriptors = 64
                $0.streams = 300
            } _: { besieged in
                let ended = StreamCounter()
                try await besieged.expectUnhurt {
                    var attackers: [Attacker] = []
                    for number in 0..<4 {
                        let attacker = try await besieged.attacker(from: 60 + number)
                        for _ in 0..<4 {
                            _ = try await attacker.session(
                                with: besieged.identity.publicKey, as: besieged.hostile[0])
                        }
                        attackers.append(attacker)
                    }
                    let body = ByteBuffer(repeating: 5, count: byteCount)
                    for attacker in attackers {
                        try await attacker.act { caller in
                            // As many as an unoptimised endpoint answers.
                            if !ListeningPortal.isLong {
                                caller.pause = .milliseconds(byteCount > 1000 ? 200 : 40)
                            }
                            caller.feed = { caller in
                                for (tunnel, session) in caller.sessions {
                                    // As many as a session may have open go on from there when others end.
                                    let stream = try? caller.open(
                                        "service.open", [["name": .string(service)]], in: tunnel)
                                    if let stream, byteCount > 0 { session.send(body, on: stream) }
                                }
                                return !caller.sessions.isEmpty
                            }
                        }
                    }
                    return attackers
                } during: { pair in
                    var pairs = [pair]
                    for friend in besieged.hostile.dropFirst() {
                        pairs.append(try await besieged.pair(as: friend))
                    }
                    for _ in 0..<5 { for pair in pairs { try await pair.hold(ended) } }
                    for _ in 0..<3 { for pair in pairs { try await pair.passMegabyte() } }
                    #expect(ended.all.isEmpty)
                    for pair in pairs.dropFirst() { await pair.client.close() }
                }
            }
        }
    }
}
