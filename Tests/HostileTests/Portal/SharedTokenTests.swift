import Blinding
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Transport
import Tunnel
import TypedSodium

extension Hostile {
    /// An invite's tokens are announced by its holder, who refuses, or accepts and keeps silent.
    @Suite("The holder of an invite who announces its tokens")
    struct SharedToken {
        @Test(
            "stands in nobody's place: the friend gets through, with the endpoint's key at once, without it soon",
            .timeLimit(.minutes(1)),
            arguments: [DirectoryPeer.Manner.refusing, .silent])
        func holder(manner: DirectoryPeer.Manner) async throws {
            var random = SeededRandom(seed: 31)
            let token = PairToken(try FixedBytes(random.bytes(32).span))
            let (owner, pseudonym, invite) = (
                try Identity.drawn(), try Identity.drawn(), try Identity.drawn()
            )
            try await DirectoryStage.run { stage in
                let policy = EndpointPolicy(services: [], access: .anyone, invites: [invite.publicKey])
                let endpoint = try await stage.link(owner, showing: pseudonym, reception: .hidden(policy))
                try await endpoint.announce(hidden: [TokenEntry(token: token, owner: invite.publicKey)])
                var holders: [DirectoryPeer] = []
                for host in 2...4 {
                    let holder = try await stage.peer(from: host, manner)
                    #expect(try await holder.announce([token]) == .value(true))
                    holders.append(holder)
                }
                let client = try await stage.link(invite, showing: .drawn())
                let clock = ContinuousClock()
                let start = clock.now
                let direct = try await client.openTunnel(
                    to: owner.publicKey, token: token, by: pseudonym.publicKey, as: invite)
                _ = try await client.call(["whoami"], on: direct)
                #expect(clock.now - start < .seconds(2))
                for holder in holders { #expect(try await holder.tunnelCount == 0) }

                let second = clock.now
                let roundabout = try await client.openTunnel(
                    to: owner.publicKey, token: token, as: invite)
                _ = try await client.call(["whoami"], on: roundabout)
                #expect(clock.now - second < .seconds(4))
                for holder in holders { #expect(try await holder.tunnelCount == 1) }
                for holder in holders { try await holder.close() }
                await client.close()
                await endpoint.close()
            }
        }
    }
}
