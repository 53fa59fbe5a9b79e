import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("The methods of a portal")
struct PortalMethodsTests {
    /// The request that a session makes of a call.
    private func request(_ name: String, _ arguments: [JSONValue] = []) throws -> Request {
        let kind = try #require(PortalMethods.manifest.kind(of: name.split(separator: ".").map(String.init)))
        var session = RPCConnection(manifest: PortalMethods.manifest)
        var body: JSONValue = [
            "name": .array(name.split(separator: ".").map { .string(String($0)) }), "args": .array(arguments),
        ]
        let isStream = kind.callKind != .async
        if isStream { body["type"] = .string(kind.rawValue) }
        let text = body.serialized
        let header = PacketHeader(
            bodyType: .json, isStream: isStream, bodyByteCount: UInt32(text.readableBytes), requestNumber: 1)
        guard case .request(let request)? = session.receive(.packet(header, body: text)) else {
            throw NotARequest()
        }
        return request
    }

    private struct NotARequest: Error {}

    @Test(
        "announces openly",
        arguments: [[], [nil], [[:]], [["hidden": false]], [["hidden": nil, "x": 1]], ["x"]] as [[JSONValue]])
    func openly(arguments: [JSONValue]) throws {
        #expect(AnnounceRequest(try request("tunnel.announce", arguments)) == .open)
    }

    @Test(
        "is malformed when it is neither plainly open nor plainly hidden: guessing would betray somebody",
        arguments: [
            ["hidden": true], ["hidden": 1], ["hidden": "no"], ["tokens": []],
            ["hidden": true, "tokens": "x"],
            ["hidden": true, "tokens": nil], ["hidden": false, "tokens": []],
            ["hidden": nil, "tokens": ["x"]],
        ] as [JSONValue])
    func malformed(argument: JSONValue) throws {
        #expect(AnnounceRequest(try request("tunnel.announce", [argument])) == .malformed)
    }

    @Test("announces hidden with its tokens as they came")
    func hidden() throws {
        let call = AnnounceRequest(
            try request("tunnel.announce", [["hidden": true, "tokens": ["x", 7], "y": 1]]))
        #expect(call == .hidden(["x", 7]))
        let empty = AnnounceRequest(try request("tunnel.announce", [["hidden": true, "tokens": []]]))
        #expect(empty == .hidden([]))
    }

    @Test("uses an invite for the key in it, or for nobody")
    func invite() throws {
        let key = PublicKey(FixedBytes<32>())
        #expect(UseInviteMethod.feed(in: try request("invite.use", [["feed": .string(key.id)]])) == key)
        for wrong in [[], [nil], [["feed": 7]], [["feed": "@x"]], [.string(key.id)]] as [[JSONValue]] {
            #expect(UseInviteMethod.feed(in: try request("invite.use", wrong)) == nil)
        }
    }

    @Test("lists members in lists of a thousand, each of which is a packet")
    func members() throws {
        var random = SeededRandom(seed: 1)
        let members = try (0..<2500).map { _ in PublicKey(try FixedBytes(random.bytes(32).span)) }
        let lists = MembersMethod.lists(of: Set(members))
        #expect(lists.map { $0.array?.count } == [1000, 1000, 500])
        let ids = lists.flatMap { $0.array ?? [] }.compactMap { $0["id"]?.string }
        #expect(ids == members.map(\.id).sorted())
        #expect(lists[0].serialized.readableBytes < 1 << 20)
        #expect(MembersMethod.lists(of: []).isEmpty)
    }

    @Test("are those of the one list, in its order, with the names that Go and JavaScript know")
    func manifest() throws {
        let body = PortalMethods.manifest.tree.serialized
        let text = String(decoding: body.readableBytesView, as: UTF8.self)
        #expect(
            text == """
                {"manifest":"sync","whoami":"async","tunnel":{"announce":"async","leave":"async",\
                "connect":"duplex","endpoints":"source","isRoom":"async","ping":"async"},\
                "room":{"metadata":"async","attendants":"source","members":"source","connect":"duplex"},\
                "gossip":{"ping":"duplex"},"invite":{"use":"async"}}
                """)
        for name in ["whoami", "gossip.ping", "tunnel.isRoom", "room.connect", "invite.use"] {
            _ = try request(name)
        }
    }
}
