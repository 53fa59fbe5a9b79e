import MuxRPC
import NIOCore
import SecureSession
import Testing
import Transport
import Tunnel
import TypedSodium

extension Hostile {
    /// Where memory or sockets are short, friends who have most of them give way to those who have little.
    @Suite("Friends who take all that there is")
    struct GivingWayTests {
        /// Before: the first honest friends had the eighth that is kept for newcomers, and the next ones nothing.
        @Test("of the memory give way to all who pass a megabyte", .timeLimit(.minutes(1)))
        func memory() async throws {
            try await BesiegedEndpoint.run(hostileCount: 48) {
                $0.bytes = 16 << 20
            } _: { besieged in
                let (greedy, others) = (besieged.hostile.prefix(40), besieged.hostile.suffix(8))
                try await besieged.expectUnhurt {
                    let attackers = try await besieged.open(2, to: "unanswered", by: greedy)
                    let body = ByteBuffer(repeating: 5, count: 256 << 10)
                    for attacker in attackers {
                        try await attacker.act { caller in
                            for session in caller.sessions.values {
                                for number in 1...2 {
                                    session.send(body, on: StreamID(sentNumber: Int32(number)))
                                }
                            }
                        }
                    }
                    return attackers
                } during: { pair in
                    #expect(besieged.accounts.heldByteCount > 10 << 20)
                    try await pair.passMegabyte()
                    try await withThrowingTaskGroup(of: Void.self) { tasks in
                        for friend in others {
                            tasks.addTask {
                                let pair = try await besieged.pair(as: friend)
                                try await pair.passMegabyte()
                                await pair.client.close()
                            }
                        }
                        try await tasks.waitForAll()
                    }
                }
            }
        }

        /// Before: nobody reached what a service had not taken of a stream that was over.
        @Test("with streams that are over and not taken give way too", .timeLimit(.minutes(1)))
        func lingering() async throws {
            try await BesiegedEndpoint.run(hostileCount: 4) {
                $0.descriptors = 16
            } _: { besieged in
                let greedy = try await besieged.pair(at: besieged.attacked, as: besieged.hostile[0])
                for _ in 0..<11 { try await greedy.send(330 << 10, to: "deaf") }
                #expect(besieged.deafEnds.all.isEmpty)
                let ended = StreamCounter()
                var pairs: [HonestPair] = []
                for friend in besieged.hostile.dropFirst() {
                    pairs.append(try await besieged.pair(as: friend))
                }
                for _ in 0..<2 { for pair in pairs { try await pair.hold(ended) } }
                for pair in pairs { try await pair.passMegabyte() }
                #expect(await besieged.deafEnds.next() != nil && ended.all.isEmpty)
                for pair in pairs + [greedy] { await pair.client.close() }
            }
        }

        /// Before: four friends with 128 sockets were enough to make an honest one hear `busy`.
        @Test(
            "of the sockets give way to each who has few", .timeLimit(.minutes(1)),
            arguments: ["sink", "unanswered"])
        func sockets(service: String) async throws {
            try await BesiegedEndpoint.run(hostileCount: 10) {
                $0.descriptors = 128
            } _: { besieged in
                let (greedy, others) = (besieged.hostile.prefix(4), besieged.hostile.suffix(6))
                try await besieged.expectUnhurt {
                    try await besieged.open(100, to: service, by: greedy)
                } during: { pair in
                    let ended = StreamCounter()
                    var pairs: [HonestPair] = []
                    for friend in others { pairs.append(try await besieged.pair(as: friend)) }
                    for _ in 0..<6 { for pair in pairs { try await pair.hold(ended) } }
                    try await pair.passMegabyte()
                    for pair in pairs { try await pair.passMegabyte() }
                    #expect(ended.all.isEmpty)
                    for pair in pairs { await pair.client.close() }
                }
            }
        }
    }
}
