import Multiserver
import MuxRPC
import NIOCore
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A call of a portal")
struct PortalCallTests {
    /// The request that a session makes of a call.
    private func request(_ name: String, _ arguments: [JSONValue] = []) throws -> Request {
        let kind = try #require(PortalCall.manifest.kind(of: name.split(separator: ".").map(String.init)))
        var session = RPCConnection(manifest: PortalCall.manifest)
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
        #expect(PortalCall(try request("tunnel.announce", arguments)) == .announce)
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
        #expect(PortalCall(try request("tunnel.announce", [argument])) == .malformedAnnounce)
    }

    @Test("announces hidden with its tokens as they came")
    func hidden() throws {
        let call = PortalCall(
            try request("tunnel.announce", [["hidden": true, "tokens": ["x", 7], "y": 1]]))
        #expect(call == .announceHidden(["x", 7]))
        let empty = PortalCall(try request("tunnel.announce", [["hidden": true, "tokens": []]]))
        #expect(empty == .announceHidden([]))
    }

    @Test("uses an invite for the key in it, or for nobody")
    func invite() throws {
        let key = PublicKey(FixedBytes<32>())
        #expect(PortalCall(try request("invite.use", [["feed": .string(key.id)]])) == .useInvite(key))
        for wrong in [[], [nil], [["feed": 7]], [["feed": "@x"]], [.string(key.id)]] as [[JSONValue]] {
            #expect(PortalCall(try request("invite.use", wrong)) == .useInvite(nil))
        }
    }

    @Test("lists members in lists of a thousand, each of which is a packet")
    func members() throws {
        var random = SeededRandom(seed: 1)
        let members = try (0..<2500).map { _ in PublicKey(try FixedBytes(random.bytes(32).span)) }
        let lists = PortalCall.lists(of: Set(members))
        #expect(lists.map { $0.array?.count } == [1000, 1000, 500])
        let ids = lists.flatMap { $0.array ?? [] }.compactMap { $0["id"]?.string }
        #expect(ids == members.map(\.id).sorted())
        #expect(lists[0].serialized.readableBytes < 1 << 20)
        #expect(PortalCall.lists(of: []).isEmpty)
    }

    @Test("is known for every method of the manifest")
    func manifest() throws {
        let expected: [(String, PortalCall)] = [
            ("whoami", .whoAmI), ("gossip.ping", .gossipPing), ("tunnel.announce", .announce),
            ("tunnel.leave", .leave),
            ("tunnel.connect", .connect), ("tunnel.endpoints", .endpoints), ("tunnel.isRoom", .metadata),
            ("tunnel.ping", .ping), ("room.metadata", .metadata), ("room.attendants", .attendants),
            ("room.members", .members), ("room.connect", .connect),
            ("invite.use", .useInvite(nil)),
        ]
        for (name, call) in expected { #expect(PortalCall(try request(name)) == call) }
        let tree = try #require(PortalCall.manifest.tree.object)
        let count = tree.members.reduce(0) { $0 + ($1.value.object?.members.count ?? 1) }
        #expect(count == expected.count + 1, "manifest itself")
        #expect(PortalCall.manifest.tree["tunnel"]?["connect"] == "duplex", "or Go would not call it")
    }
}
