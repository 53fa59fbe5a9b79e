import Connection
import MuxRPC
import NIOCore
import PortalCore
import SecureSession
import Synchronization
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// The places of a portal for 16 connections, where one source may have one.
private final class TestedPlaces: Sendable {
    private let admission: Mutex<ConnectionAdmission>

    init(at now: NIODeadline) {
        admission = Mutex(
            ConnectionAdmission(
                .init(connectionCount: 16, ceilings: .init(connectionsPerSource: 1)),
                random: SeededRandom(seed: 1), at: now))
    }

    func enter(from address: SocketAddress, at now: NIODeadline) -> TestedPlace {
        let entry = admission.withLock { admission in
            let source = admission.source(of: address)
            return admission.enter(from: source, at: now) { _ in false }
        }
        return TestedPlace(entry: entry, places: self)
    }

    fileprivate func keep(_ number: Int, as member: PublicKey) -> Bool {
        admission.withLock { $0.keep(number, as: member) }
    }
}

private final class TestedPlace: ConnectionPlace {
    private let entry: ConnectionAdmission.Entry
    private let places: TestedPlaces

    init(entry: ConnectionAdmission.Entry, places: TestedPlaces) {
        self.entry = entry
        self.places = places
    }

    var isOnTrial: Bool { entry.refusal != nil }

    func keep(as member: PublicKey) -> Bool { places.keep(entry.number, as: member) }
}

/// A connection that has a place goes on when it is its turn; one that has none when it was drawn.
@Suite("A portal's handshake")
struct PortalHandshakeTests {
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private let address: SocketAddress
    private let places: TestedPlaces
    private let place: TestedPlace
    private let identity: Identity

    /// One source may have one connection, and has it.
    init() throws {
        address = try SocketAddress(ipAddress: "192.0.2.1", port: 1)
        places = TestedPlaces(at: now)
        place = places.enter(from: address, at: now)
        identity = try .random()
    }

    private func connect(
        _ seat: TestedPlace, _ change: (inout PortalSettings) -> Void = { _ in }
    ) throws -> (PortalConnection, SessionPeer) {
        let world = try PortalWorld(change)
        let connection = PortalConnection(portal: world.portal, mailbox: QueueMailbox(), seat: seat, at: now)
        return (connection, try SessionPeer(identity, to: world.portalKey, network: world.network))
    }

    /// Carries everything both ways, and grants every turn.
    private func carry(_ connection: PortalConnection, _ peer: SessionPeer, at now: NIODeadline) {
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            while let bytes = peer.nextOutbound() {
                connection.receive(bytes, at: now)
                hasMoved = true
            }
            if connection.takeWish() == .turn {
                connection.takeTurn(at: now)
                hasMoved = true
            }
            while let bytes = connection.nextWrite(at: now) {
                peer.receive(bytes)
                hasMoved = true
            }
        }
    }

    private func hello(_ peer: SessionPeer, to connection: PortalConnection) throws {
        connection.receive(try #require(peer.nextOutbound()), at: now)
    }

    @Test("answers each message in its turn, reads nothing meanwhile, and asks once")
    func turns() throws {
        let (connection, peer) = try connect(place)
        #expect(connection.takeWish() == nil && connection.wantsInput)
        try hello(peer, to: connection)
        #expect(connection.takeWish() == .turn && connection.takeWish() == nil)
        #expect(!connection.wantsInput && connection.nextWrite(at: now) == nil)
        connection.takeTurn(at: now)
        #expect(connection.wantsInput)
        peer.receive(try #require(connection.nextWrite(at: now)))
        connection.receive(try #require(peer.nextOutbound()), at: now)
        #expect(!connection.isOpen && connection.takeWish() == .turn)
        connection.takeTurn(at: now)
        #expect(connection.isOpen && connection.takeWish() == nil)
    }

    @Test("takes no turn when the peer has left, or is out of time")
    func gone() throws {
        for isLate in [false, true] {
            let (connection, peer) = try connect(place)
            try hello(peer, to: connection)
            if isLate { connection.timeReached(now + .seconds(10)) } else { connection.inputEnded(at: now) }
            #expect(connection.phase == .broken)
            connection.takeTurn(at: now + .seconds(10))
            #expect(connection.nextWrite(at: now) == nil)
        }
    }

    @Test("of a connection on trial waits for the draw, a second for the first message and two for the lot")
    func draw() throws {
        let trial = places.enter(from: address, at: now)
        #expect(trial.isOnTrial)
        let (silent, _) = try connect(trial)
        silent.timeReached(now + .seconds(1))
        #expect(silent.phase == .broken)

        let (unlucky, peer) = try connect(trial)
        try hello(peer, to: unlucky)
        #expect(unlucky.takeWish() == .draw && unlucky.takeWish() == nil && !unlucky.wantsInput)
        unlucky.timeReached(now + .milliseconds(1999))
        #expect(unlucky.phase == .running)
        unlucky.timeReached(now + .seconds(2))
        #expect(unlucky.phase == .broken)
    }

    @Test("lets a member stay on trial, and tells others for two seconds why they may not")
    func trial() throws {
        for isMember in [true, false] {
            let trial = places.enter(from: address, at: now)
            let (connection, peer) = try connect(trial) {
                $0.policy = PortalPolicy(members: isMember ? [identity.publicKey] : [])
            }
            try hello(peer, to: connection)
            #expect(connection.takeWish() == .draw)
            connection.drawn(at: now)
            #expect(connection.takeWish() == .turn)
            connection.takeTurn(at: now)
            carry(connection, peer, at: now)
            let calls = try (0..<3).map { _ in try peer.call("tunnel.ping") }
            let stream = try peer.open(.source, "tunnel.endpoints")
            carry(connection, peer, at: now)
            let busy = "busy: too many connections from your address"
            for call in calls {
                #expect((peer.replies[call] == .failure(RemoteError(busy))) == !isMember)
            }
            #expect((peer.ends[stream] == busy) == !isMember)
            connection.timeReached(now + .seconds(2))
            carry(connection, peer, at: now + .seconds(2))
            #expect(peer.hasGoodbye == !isMember)
        }
    }

    @Test("gives way at any time")
    func givingWay() throws {
        let (connection, peer) = try connect(place)
        carry(connection, peer, at: now)
        #expect(connection.isOpen)
        connection.giveWay(at: now)
        #expect(connection.phase == .broken)
    }
}
