import Blinding
import Keyring
import Multiserver
import MuxRPC
import NIOPosix
import Node
import PeerSupport
import PortalCore
import Testing
import Transport
import Tunnel
import TypedSodium

extension Integration {
    @Suite("An announcement that was heard before")
    struct OldTokenTests {
        @Test("lets nobody in by tokens that the next one has no more")
        func removed() async throws {
            try await LiedTo.run { world, first in
                let (liar, owner) = (world.liar, world.owner.publicKey)
                let (gone, kept) = (world.friends[0], world.friends[1])
                let goneTokens = try world.tokens(of: gone)
                try world.keyring.friends.remove(gone.publicKey, now: WallClock.seconds())
                let second = try await liar.announcement(2)
                #expect(second.connection == first.connection && second.tokens.count == first.tokens.count)
                #expect(Set(first.tokens).subtracting(second.tokens) == Set(goneTokens))

                let unknown = PairToken(try Identity.random().publicKey.bytes)
                for target in (goneTokens + [unknown]).map(\.target) {
                    for identity in [gone, kept] {
                        let outcome = try await liar.call(
                            .init(target: target, inside: (identity, owner)), on: second.connection)
                        #expect(outcome.ending == LiedTo.refusal(of: target) && outcome.innerByteCount == 0)
                    }
                }
                let order = LiarCall.Order(
                    target: try world.tokens(of: kept)[0].target, inside: (kept, owner))
                #expect(try await liar.call(order, on: second.connection).ending == .admitted)
            }
        }

        @Test("counts for nothing on a connection on which nothing was announced")
        func anotherConnection() async throws {
            try await LiedTo.run { world, announcement in
                let (liar, owner, friend) = (world.liar, world.owner.publicKey, world.friends[0])
                // The endpoint waits for the answer before it announces anything.
                liar.manner.update { $0.answersMetadata = false }
                try await liar.cutAll()
                let connection = try await liar.seen.first { seen in
                    seen.requests.first { number, names in
                        number > announcement.connection && names.contains("room.metadata")
                    }?.key
                }
                let targets =
                    announcement.tokens.map(\.target) + [
                        owner.id, try world.pseudonym.id, friend.publicKey.id,
                    ]
                for target in targets {
                    let outcome = try await liar.call(
                        .init(target: target, inside: (friend, owner)), on: connection)
                    #expect(outcome.ending == LiedTo.refusal(of: target) && outcome.innerByteCount == 0)
                }
                let seen = liar.seen.value
                #expect(seen.announcements.count == 1 && !seen.ended.contains(connection))
                #expect(try seen.peers[connection] == world.pseudonym)
            }
        }

        @Test("is worth nothing at another portal, and only a silence at its own")
        func replayed() async throws {
            try await Stage.run { stage in
                let portal = try await TestNetwork.Portal.start(on: stage)
                try await LyingPortal.run { liar in
                    let world = try await LiedTo.start(on: stage, at: liar, alsoAt: [portal])
                    _ = try await world.server.lines(2)
                    let heard = try await liar.announcement().tokens
                    let friend = world.friends[0]
                    let pair = try PairKey(friend: friend, endpoint: EndpointKey(world.owner.publicKey))
                    let token = pair.token(
                        portal: PortalKey(portal.peer.key), epoch: Epoch(unixSeconds: WallClock.seconds()))
                    #expect(!heard.contains(token))

                    let (thief, events) = try await Self.thief(at: portal)
                    try await thief.announce(hidden: heard.map { TokenEntry(token: $0, owner: nil) })
                    #expect(try await Self.call(world, at: portal, by: token, as: friend) == friend.publicKey)
                    #expect(events.value.isEmpty, "nobody calls by these tokens here")

                    // Whoever has this very portal's tokens, its operator, can take the calls, and read none.
                    try await Task.sleep(for: .seconds(1))  // the portal takes one announcement per second
                    try await thief.announce(hidden: [TokenEntry(token: token, owner: nil)])
                    await #expect(throws: SessionFailure.self) {
                        try await Self.call(world, at: portal, by: token, as: friend)
                    }
                    let event = try await events.first { $0.first }
                    guard case .event(.handshakeFailed) = event, events.value.count == 1 else {
                        Issue.record("the thief has learnt more: \(events.value)")
                        return
                    }
                    await thief.close()
                }
            }
        }

        /// Somebody who is no friend and has no pair with anybody, but can announce.
        private static func thief(
            at portal: TestNetwork.Portal
        ) async throws -> (NodeLink, Watched<[NodeLinkEvent]>) {
            let events = Watched<[NodeLinkEvent]>([])
            let identity = try Identity.random()
            let configuration = NodeConnection.Configuration(
                identity: identity, network: LyingPortal.network,
                reception: .hidden(EndpointPolicy(services: [], access: .anyone)),
                wallClock: WallClock.milliseconds)
            let link = try await NodeLink.dial(
                portal.peer.key, over: TCPConnector(portal.peer.net), showing: identity,
                configuration: configuration,
                on: MultiThreadedEventLoopGroup.singleton.next()
            ) { event in events.update { $0.append(event) } }
            return (link, events)
        }

        /// Calls the owner by a token, and gives who it takes the caller for.
        @discardableResult
        private static func call(
            _ world: LiedTo, at portal: TestNetwork.Portal, by token: PairToken, as friend: Identity
        ) async throws -> PublicKey? {
            let configuration = NodeConnection.Configuration(
                identity: friend, network: LyingPortal.network, wallClock: WallClock.milliseconds)
            let link = try await NodeLink.dial(
                portal.peer.key, over: TCPConnector(portal.peer.net), showing: .random(),
                configuration: configuration,
                on: MultiThreadedEventLoopGroup.singleton.next())
            do {
                let session = try await link.openTunnel(to: world.owner.publicKey, token: token)
                let reply = try await link.call(["whoami"], on: session)
                await link.close()
                guard case .value(let json) = reply, let id = json["id"]?.string else { return nil }
                return try PublicKey(id: id)
            } catch {
                await link.close()
                throw error
            }
        }
    }
}
