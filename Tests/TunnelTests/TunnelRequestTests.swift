import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A portal's tunnel.connect")
struct TunnelRequestTests {
    private let identity: Identity
    private let portal: HandmadePortal

    init() throws {
        identity = try .random()
        portal = try HandmadePortal(node: identity, policy: EndpointPolicy(services: [], access: .anyone))
    }

    private var own: JSONValue { .string(identity.publicKey.id) }

    @Test("may leave out what it likes but the target")
    func accepted() throws {
        let portalID = JSONValue.string(portal.identity.publicKey.id)
        let arguments: [JSONValue] = [
            ["target": own], ["target": own, "portal": portalID, "instance": 0, "origin": "nobody"],
            ["target": own, "portal": nil, "instance": nil], ["target": own, "origin": [], "more": [1]],
            ["target": own, "by": portalID], ["target": own, "by": 7],
        ]
        for argument in arguments {
            let (friend, stream) = try portal.friend(argument, of: identity.publicKey)
            #expect(friend.session.isOpen && portal.outer.ends[stream] == nil)
        }
        #expect(portal.node.tunnelCount == arguments.count)
    }

    @Test("for somebody or something else is refused, always in the same words")
    func refused() throws {
        let arguments: [JSONValue] = [
            ["target": own, "portal": own], ["target": own, "portal": 1],
            ["target": .string(portal.identity.publicKey.id)], ["target": 7],
            [:], nil, [], "x", ["portal": own],
        ]
        for argument in arguments {
            let (friend, stream) = try portal.friend(argument, of: identity.publicKey)
            let target = argument["target"]?.string ?? ""
            #expect(portal.outer.ends[stream] == "could not connect to:\(target)")
            #expect(!friend.session.isOpen)
        }
        #expect(portal.node.tunnelCount == 0)
    }

    @Test("with a target of any length is answered shortly")
    func longTarget() throws {
        for (count, words) in [(1500, "could not connect to:"), (100_000, "the body is too long")] {
            let target = "e" + String(repeating: "\u{301}", count: count)
            let (_, stream) = try portal.friend(["target": .string(target)], of: identity.publicKey)
            let answer = try #require(portal.outer.ends[stream])
            #expect(answer.utf8.count < 160 && answer.hasPrefix(words))
        }
    }

    @Test("to a node that only dials is no method")
    func client() throws {
        let portal = try HandmadePortal(node: identity, policy: nil)
        let (_, stream) = try portal.friend(["target": own], of: identity.publicKey)
        #expect(portal.outer.ends[stream]?.hasSuffix("not in list of allowed methods") == true)
        #expect(portal.node.tunnelCount == 0)
    }

    @Test("whose session ends by its friend's goodbye leaves nothing")
    func goodbye() throws {
        let (friend, stream) = try portal.friend(["target": own], of: identity.publicKey)
        friend.session.close()
        portal.run()
        #expect(portal.ended == [nil] && portal.node.tunnelCount == 0)
        #expect(friend.hasEnded && portal.outer.ends[stream]?.isEmpty == true)
    }

    @Test("whose stream the portal ends is a loss, or a refusal while it was young")
    func cut() throws {
        let (_, stream) = try portal.friend(["target": own], of: identity.publicKey)
        portal.outer.session.muxrpc.fail(stream, message: "the portal is closing")
        portal.run()
        #expect(portal.ended == [.lost] && portal.node.tunnelCount == 0)

        let young = try portal.outer.open(.duplex, "tunnel.connect", [["target": own]])
        portal.run()
        portal.outer.session.muxrpc.end(young)
        portal.run()
        #expect(portal.ended == [.lost, .targetNotThere("the tunnel was ended")])
        #expect(portal.node.tunnelCount == 0 && portal.outer.session.isOpen)
    }
}
