import Blinding
import Connection
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import Synchronization
import TestSupport
import Testing
import TypedSodium

/// Remembers what a portal tells the other machines.
private final class ToldNeighbours: PortalNeighbours {
    private let told = Mutex<[String]>([])

    func take() -> [String] {
        told.withLock { told in
            defer { told = [] }
            return told
        }
    }

    func announced(_ peer: PublicKey, _ manner: NeighbourManner) {
        told.withLock { $0.append("\(manner) \(peer.id)") }
    }

    func left(_ peer: PublicKey) { told.withLock { $0.append("left \(peer.id)") } }

    func lookUp(
        _ target: NeighbourTarget, for caller: NeighbourCaller,
        take: @escaping @Sendable (NeighbourStep) -> Void
    ) -> NeighbourLookUp {
        take(.missed)
        return NeighbourLookUp(1)
    }

    func failed(_ lookUp: NeighbourLookUp, _ failure: NeighbourFailure) {}

    func end(_ lookUp: NeighbourLookUp) {}
}

@Suite("A portal among others of its key")
struct NeighbourhoodTests {
    private var random = SeededRandom(seed: 41)
    private let neighbours = ToldNeighbours()
    private let world: PortalWorld
    private let neighbourhood: Neighbourhood

    init() throws {
        let neighbours = neighbours
        world = try PortalWorld { $0.neighbours = neighbours }
        neighbourhood = Neighbourhood(of: world.portal)
    }

    private func announce(_ peer: SessionPeer) throws {
        let call = try peer.call("tunnel.announce")
        world.run()
        #expect(peer.isDone(call))
    }

    @Test("tells each announcement once, and its end, in every manner")
    mutating func tells() throws {
        let identity = try Identity.random()
        let id = identity.publicKey.id
        let (peer, link) = try world.connect(identity)
        try announce(peer)
        try announce(peer)
        #expect(neighbours.take() == ["explicit \(id)"])

        world.wait(.seconds(1))
        let tokens = try random.tokens(3)
        let hidden = try peer.announce(tokens)
        world.run()
        #expect(peer.isDone(hidden))
        #expect(neighbours.take() == ["hidden \(id)"])
        world.wait(.seconds(1))
        _ = try peer.announce(try random.tokens(2))
        world.run()
        #expect(neighbours.take() == [], "other tokens of one connection are no other announcement")

        world.drop(link)
        #expect(neighbours.take() == ["left \(id)"])
        let (lister, listerLink) = try world.connect(identity)
        _ = try lister.open(.source, "tunnel.endpoints", [])
        world.run()
        #expect(neighbours.take() == ["subscription \(id)"])
        try announce(lister)
        #expect(neighbours.take() == ["explicit \(id)"])
        let (other, otherLink) = try world.connect(identity)
        try announce(other)
        #expect(neighbours.take() == ["explicit \(id)"])
        world.drop(otherLink)
        #expect(neighbours.take() == ["explicit \(id)"], "what was announced before counts again")
        world.drop(listerLink)
        #expect(neighbours.take() == ["left \(id)"])
    }

    @Test("forgets all announcements of a key that is announced elsewhere, and ends their connections")
    func yields() throws {
        let identity = try Identity.random()
        let (first, _) = try world.connect(identity)
        try announce(first)
        let (second, _) = try world.connect(identity)
        try announce(second)
        let told = neighbours.take()
        neighbourhood.yield(identity.publicKey, .announcedElsewhere, since: 1)
        world.run()
        #expect(world.portal.attendance.ids == [identity.publicKey.id], "that was said of the first one")
        neighbourhood.yield(identity.publicKey, .announcedElsewhere, since: UInt64(told.count))
        world.run()
        #expect(world.portal.attendance.ids == [])
        #expect(neighbours.take() == ["left \(identity.publicKey.id)"])
        let reasons = world.events.compactMap { event -> CloseReason? in
            guard case .disconnected(_, let reason) = event else { return nil }
            return reason
        }
        #expect(reasons == [.replaced, .replaced])
    }

    @Test("forgets a mere subscription silently")
    func unannounces() throws {
        let identity = try Identity.random()
        let (peer, link) = try world.connect(identity)
        _ = try peer.open(.source, "tunnel.endpoints", [])
        world.run()
        neighbourhood.listChanged(joined: [identity.publicKey], left: [])
        neighbourhood.yield(identity.publicKey, .unannounced, since: UInt64(neighbours.take().count))
        world.run()
        #expect(link.connection.isOpen)
        #expect(world.portal.attendance.ids == [identity.publicKey.id], "it is announced elsewhere")
        neighbourhood.listChanged(joined: [], left: [identity.publicKey])
        #expect(world.portal.attendance.ids == [])
    }

    @Test("answers for a silenced endpoint no more, and ends it where it is silent")
    mutating func silences() throws {
        let tokens = try random.tokens(2)
        func consult() -> [[PublicKey]] {
            neighbourhood.announcers(of: tokens.map { ($0.bytes, nil) })
        }
        let (peer, link) = try world.connect(.random())
        _ = try peer.announce(tokens)
        world.run()
        #expect(consult() == [[peer.key], [peer.key]])
        #expect(
            neighbourhood.announcers(of: [(tokens[0].bytes, world.portalKey)]) == [[]],
            "another key has not proved it")
        neighbourhood.yield(peer.key, .silenced, since: 1)
        world.run()
        #expect(consult() == [[], []])
        world.wait(.seconds(2))
        #expect(link.connection.isOpen, "it has answered")
        neighbourhood.unsilence(peer.key)
        #expect(consult() == [[peer.key], [peer.key]])

        link.isPeerReading = false
        neighbourhood.yield(peer.key, .silenced, since: 1)
        world.wait(.milliseconds(900))
        #expect(link.connection.isOpen)
        world.wait(.milliseconds(200))
        #expect(!link.connection.isOpen && consult() == [[], []])
        #expect(neighbours.take().last == "left \(peer.key.id)")
    }

    @Test("leaves a silenced endpoint that is not read, because it has called too much")
    mutating func silencedUnread() throws {
        let neighbours = neighbours
        let world = try PortalWorld {
            $0.neighbours = neighbours
            ($0.callsPerSecond, $0.callBurst) = (0.25, 8)
        }
        let (peer, link) = try world.connect(.random())
        let token = try random.tokens(1)[0]
        _ = try peer.announce([token])
        for _ in 0..<12 { _ = try peer.call("whoami") }
        world.run()
        #expect(!link.connection.wantsInput)
        let neighbourhood = Neighbourhood(of: world.portal)
        neighbourhood.yield(peer.key, .silenced, since: 1)
        #expect(neighbourhood.announcers(of: [(token.bytes, nil)]) == [[]])
        world.wait(.seconds(2))
        #expect(link.connection.isOpen && !link.connection.wantsInput)
    }

    @Test("lists what all machines have, and says so where that is too much")
    func lists() throws {
        let (peer, _) = try world.connect(.random())
        let stream = try peer.open(.source, "tunnel.endpoints", [])
        world.run()
        let far = try Identity.random().publicKey
        neighbourhood.listChanged(joined: [far, peer.key], left: [])
        #expect(Set(world.portal.attendance.ids) == [far.id, peer.key.id])
        // What is announced here too stays when another machine's is gone.
        neighbourhood.listChanged(joined: [], left: [far, peer.key])
        #expect(world.portal.attendance.ids == [peer.key.id])
        neighbourhood.listBecame(tooLong: true)
        world.wait(.seconds(1))
        #expect(peer.ends[stream] == ErrorText.tooManyToList)
        let another = try peer.open(.source, "room.attendants", [])
        world.run()
        #expect(peer.ends[another] == ErrorText.tooManyToList)
        neighbourhood.listBecame(tooLong: false)
        let last = try peer.open(.source, "room.attendants", [])
        world.run()
        #expect(peer.ends[last] == nil)
    }

    @Test("asks whoever is announced to move, and says goodbye to those that do not know how")
    mutating func moves() throws {
        let (open, openLink) = try world.connect(.random())
        try announce(open)
        let (hidden, hiddenLink) = try world.connect(.random())
        _ = try hidden.announce(try random.tokens(1))
        let (client, clientLink) = try world.connect(.random())
        world.run()
        neighbourhood.move([open.key, hidden.key, client.key])
        world.run()
        #expect(!openLink.connection.isOpen && !hiddenLink.connection.isOpen)
        #expect(clientLink.connection.isOpen)
    }

    @Test("asks clients to move, and leaves those alone that do not know how")
    mutating func movesClients() throws {
        let (endpoint, _) = try world.endpoint()
        let (client, _) = try world.connectNode(.random())
        let (_, formerLink) = try world.connect(.random())
        #expect(neighbourhood.clients.count == 2)
        neighbourhood.move(clients: neighbourhood.clients)
        world.run()
        #expect(client.moveCount == 1 && endpoint.moveCount == 0)
        #expect(formerLink.connection.isOpen)
    }

    @Test("says in its metadata that it is one of several")
    func metadata() throws {
        let (peer, _) = try world.connect(.random())
        let call = try peer.call("room.metadata")
        world.run()
        guard case .value(let metadata)? = peer.replies[call] else {
            Issue.record("no metadata")
            return
        }
        #expect(metadata["features"]?.array?.last == "companionway-cluster1")
        let alone = MetadataMethod.metadata(name: "x", isMember: false)
        #expect(alone["features"]?.array?.contains("companionway-cluster1") == false)
    }
}
