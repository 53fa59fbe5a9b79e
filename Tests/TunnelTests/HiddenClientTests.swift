import Blinding
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A client of a hidden endpoint")
struct HiddenClientTests {
    @Test(
        "names the token and the key shown there, and nothing else, and shows the key that it was told to",
        arguments: [false, true])
    func token(isInvite: Bool) throws {
        var random = SeededRandom(seed: 5)
        let (own, invite, target) = (try random.identity(), try random.identity(), try random.identity())
        let token = PairToken(try FixedBytes(random.bytes(32)))
        let shownKey = try random.identity().publicKey
        let portal = try HandmadePortal(node: own, showing: random.identity(), reception: .none)
        let session = try portal.node.openTunnel(
            to: target.publicKey, token: token, by: shownKey, as: isInvite ? invite : nil, at: portal.now)
        portal.run()
        let request = try #require(portal.outer.requests.first { $0.name == ["tunnel", "connect"] })
        let portalID = JSONValue.string(portal.identity.publicKey.id)
        #expect(
            request.arguments == [
                [
                    "portal": portalID, "target": .string(token.target), "instance": 0,
                    "by": .string(shownKey.id),
                ]
            ])

        // The far end, which lets everybody in.
        let far = SecureSession(
            answeringAs: target, network: portal.network, manifest: [:], framing: .tunnelled)
        for _ in 0..<3 {
            if let bytes = portal.outer.takeBytes(on: request.stream) { far.receive(bytes) }
            while let event = try far.next() {
                if case .client = event { try far.accept() }
            }
            while let batch = far.nextBatch() { portal.outer.session.send(batch, on: request.stream) }
            portal.run()
        }
        #expect(far.peer == (isInvite ? invite : own).publicKey)
        #expect(
            portal.outputs.contains { output in
                if case .established(session, target.publicKey) = output { true } else { false }
            })
    }

    @Test("names no shown key where none is known, nor where it asks by id")
    func unknownShownKey() throws {
        var random = SeededRandom(seed: 7)
        let token = PairToken(try FixedBytes(random.bytes(32)))
        let (target, shownKey) = (try random.identity().publicKey, try random.identity().publicKey)
        let portal = try HandmadePortal(node: random.identity(), reception: .none)
        _ = try portal.node.openTunnel(to: target, token: token, at: portal.now)
        _ = try portal.node.openTunnel(to: target, by: shownKey, at: portal.now)
        portal.run()
        let requests = portal.outer.requests.filter { $0.name == ["tunnel", "connect"] }
        let portalID = JSONValue.string(portal.identity.publicKey.id)
        #expect(
            requests.map(\.arguments)
                == [token.target, target.id].map { text in
                    [["portal": portalID, "target": .string(text), "instance": 0]]
                })
    }

    @Test("learns of a refusal in the words that came")
    func refused() throws {
        var random = SeededRandom(seed: 6)
        let token = PairToken(try FixedBytes(random.bytes(32)))
        let portal = try HandmadePortal(node: random.identity(), reception: .none)
        _ = try portal.node.openTunnel(to: random.identity().publicKey, token: token, at: portal.now)
        portal.run()
        let request = try #require(portal.outer.requests.first { $0.name == ["tunnel", "connect"] })
        portal.outer.session.muxrpc.fail(request.stream, message: "could not connect to:\(token.target)")
        portal.run()
        #expect(portal.ended == [.targetNotThere("could not connect to:\(token.target)")])
    }
}
