import BoxStream
import Connection
import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import SecretHandshake
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A portal's connection ends")
struct PortalEndingTests {
    /// Takes everything and says nothing.
    private final class SilentPeer: WirePeer {
        func nextOutbound() -> ByteBuffer? { nil }
        func receive(_ bytes: ByteBuffer) {}
    }

    @Test("when the handshake takes ten seconds")
    func handshakeDeadline() throws {
        let world = try PortalWorld()
        let link = world.join(SilentPeer())
        world.wait(.milliseconds(9999))
        #expect(link.connection.phase == .running && world.portal.metrics.connectionCount == 1)
        world.wait(.milliseconds(1))
        #expect(link.connection.phase == .broken && link.connection.deadline == nil)
        #expect(world.events == [.disconnected(nil, .handshakeTimedOut)])
        #expect(world.portal.metrics.connectionCount == 0)
    }

    @Test("when the handshake fails, in silence")
    func handshakeFails() throws {
        let world = try PortalWorld()
        let stranger = try SessionPeer(
            .random(), to: world.portalKey, network: .scuttlebutt)
        let link = world.join(stranger)
        world.run()
        #expect(link.connection.phase == .broken)
        #expect(link.connection.nextWrite(at: world.now) == nil)
        let failure = CloseReason.failed(.handshake(.wrongNetwork))
        #expect(world.events == [.disconnected(nil, failure)])
    }

    @Test("when the peer is silent for 45 seconds, having been asked after 25")
    func silence() throws {
        let world = try PortalWorld()
        let (peer, link) = try world.connect(.random())
        peer.answersPings = false
        world.wait(.milliseconds(24_999))
        #expect(peer.requests.isEmpty)
        world.wait(.milliseconds(1))
        #expect(peer.requests.map(\.name) == [["tunnel", "ping"]])
        world.wait(.milliseconds(19_999))
        #expect(link.connection.phase == .running)
        world.wait(.milliseconds(1))
        #expect(link.connection.phase == .broken)
        #expect(world.events.last == .disconnected(peer.key, .silent))
    }

    @Test("not while the peer answers, be it with errors")
    func liveliness() throws {
        let world = try PortalWorld()
        let (peer, link) = try world.connect(.random())
        world.wait(.minutes(10))
        #expect(link.connection.phase == .running)
        #expect(peer.requests.count == 24)
    }

    @Test("with a goodbye that is answered")
    func goodbye() throws {
        let world = try PortalWorld()
        let (peer, link) = try world.connect(.random())
        _ = try peer.call("tunnel.announce")
        peer.session.close()
        world.run()
        #expect(peer.hasGoodbye && peer.hasEnded && link.connection.phase == .finished)
        #expect(world.events.last == .disconnected(peer.key, .goodbye))
        link.connection.inputEnded(at: world.now)
        #expect(link.connection.phase == .finished)
        #expect(world.portal.metrics.connectionCount == 0)
    }

    @Test("when the portal closes it, whether the peer answers or not", arguments: [true, false])
    func close(peerAnswers: Bool) throws {
        let world = try PortalWorld()
        let (endpoint, link) = try world.connect(.random())
        let list = try endpoint.open(.source, "tunnel.endpoints")
        let (client, _) = try world.connect(.random())
        let near = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
        world.run()
        let far = try #require(endpoint.tunnels.first?.stream)

        link.isPeerReading = peerAnswers
        link.connection.close(at: world.now)
        world.run()
        #expect(client.ends[near] == ErrorText.otherSideIsGone)
        #expect(world.portal.metrics.connectionCount == 1)
        if peerAnswers {
            #expect(endpoint.ends[list]?.isEmpty == true)
            #expect(endpoint.ends[far] == ErrorText.portalIsClosing)
            #expect(endpoint.hasGoodbye && link.connection.phase == .finished)
        } else {
            #expect(link.connection.phase == .running)
            world.wait(.seconds(2))
            #expect(link.connection.phase == .finished)
            world.wait(.seconds(2))
            #expect(link.connection.phase == .broken)
        }
    }

    @Test("when a box is forged, and the other end of its tunnel is told")
    func forged() throws {
        let world = try PortalWorld()
        let (endpoint, link) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce")
        let (client, _) = try world.connect(.random())
        let near = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
        world.run()
        link.connection.receive(ByteBuffer(repeating: 7, count: 34), at: world.now)
        world.run()
        #expect(link.connection.phase == .broken)
        #expect(client.ends[near] == ErrorText.otherSideIsGone)
        #expect(world.events.last == .disconnected(endpoint.key, .failed(.boxStream(.forged))))
    }

    @Test("while a client is being connected to it, and the client is told")
    func openingInFlight() throws {
        let world = try PortalWorld()
        let (endpoint, link) = try world.connect(.random())
        _ = try endpoint.call("tunnel.announce")
        let (client, near) = try world.connect(.random())
        world.run()
        // The endpoint's mailbox holds the opening when its connection breaks.
        let stream = try client.open(.duplex, "tunnel.connect", [["target": .string(endpoint.key.id)]])
        client.session.send(ByteBuffer(string: "in flight"), on: stream)
        while let bytes = client.session.nextOutbound() { near.connection.receive(bytes, at: world.now) }
        link.connection.inputEnded(at: world.now)
        world.run()
        #expect(client.ends[stream] == ErrorText.otherSideIsGone)
        let metrics = world.portal.metrics
        #expect(metrics.tunnelCount == 0 && metrics.queuedByteCount == 0)
    }
}
