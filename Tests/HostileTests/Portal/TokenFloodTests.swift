import Blinding
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import TestSupport
import Testing
import Transport
import Tunnel
import TypedSodium

extension Hostile {
    /// Strangers announce all the tokens that a portal keeps: 1,048,320 of 2²⁰, here 2¹⁴.
    @Suite("Strangers who announce as many tokens as there are places")
    struct TokenFlood {
        private static let totalCount = 1 << 14
        private static let setCount = 768

        @Test("leave members their half, and a stranger with few its part", .timeLimit(.minutes(1)))
        func flood() async throws {
            var random = SeededRandom(seed: 32)
            let tokens = try (0..<Self.totalCount * 2).map { _ in
                PairToken(try FixedBytes(random.bytes(32).span))
            }
            let member = try Identity.drawn()
            try await DirectoryStage.run {
                $0.tokenLimits.totalCount = Self.totalCount
                $0.tokenLimits.memberCount = Self.totalCount / 2
                $0.tokenLimits.sourceCount = Self.totalCount / 2
                $0.policy.members = [member.publicKey]
            } _: { stage in
                var (taken, refused, peers): (Int, Int, [DirectoryPeer]) = (0, 0, [])
                for number in 0..<Self.totalCount / Self.setCount {
                    let peer = try await stage.peer(from: 2 + number % 8)
                    let start = number * Self.setCount
                    switch try await peer.announce(Array(tokens[start..<start + Self.setCount])) {
                    case .value(true): taken += 1
                    default: refused += 1
                    }
                    peers.append(peer)
                }
                #expect(taken == Self.totalCount / 2 / Self.setCount && refused > 0)
                #expect(stage.portal.metrics.tokenCount <= Self.totalCount / 2)

                // The member's set is as large as all that the strangers have.
                let announcer = try await stage.peer(from: 2, as: member)
                let own = Array(tokens.suffix(Self.totalCount / 2))
                let clock = ContinuousClock()
                let start = clock.now
                #expect(try await announcer.announce(own) == .value(true))
                #expect(clock.now - start < .seconds(2))
                // A stranger of another address has no more than half of what the largest has, and finds room.
                let modest = try await stage.peer(from: 20)
                let few = Array(tokens[Self.totalCount..<Self.totalCount + 700])
                #expect(try await modest.announce(few) == .value(true))
                // One that has as much as others does not.
                let again = try await stage.peer(from: 4)
                #expect(try await again.announce(few) == .failure(RemoteError("too many tokens")))

                let client = try await stage.peer(from: 30)
                #expect(try await client.call("whoami") != .value(nil))
                for peer in peers + [announcer, modest, again, client] { try await peer.close() }
                let isEmpty = try await Hostile.eventually(within: .seconds(15)) {
                    stage.portal.metrics.tokenCount == 0
                }
                #expect(isEmpty)
            }
        }
    }
}
