import MuxRPC
import NIOCore
import Testing
import Tunnel

@Suite("A call of a portal")
struct PortalCallTests {
    /// The request that a session makes of a call.
    private func request(_ name: String, _ arguments: [JSONValue] = []) throws -> Request {
        let kind = try #require(PortalCall.manifest.kind(of: name.split(separator: ".").map(String.init)))
        var session = Session(manifest: PortalCall.manifest)
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
        "is refused when it asks to be hidden, because announcing it openly would betray it",
        arguments: [
            ["hidden": true], ["hidden": 1], ["hidden": "no"], ["tokens": []],
            ["hidden": true, "tokens": ["x"]],
        ] as [JSONValue])
    func hidden(argument: JSONValue) throws {
        guard case .refusedAnnounce? = PortalCall(try request("tunnel.announce", [argument])) else {
            Issue.record("announced")
            return
        }
    }

    @Test("is known for every method of the manifest")
    func manifest() throws {
        let expected: [(String, PortalCall)] = [
            ("whoami", .whoAmI), ("tunnel.announce", .announce), ("tunnel.leave", .leave),
            ("tunnel.connect", .connect), ("tunnel.endpoints", .endpoints), ("tunnel.isRoom", .metadata),
            ("tunnel.ping", .ping), ("room.metadata", .metadata), ("room.attendants", .attendants),
            ("room.members", .members), ("room.connect", .connect),
        ]
        for (name, call) in expected { #expect(PortalCall(try request(name)) == call) }
        let tree = try #require(PortalCall.manifest.tree.object)
        let count = tree.members.reduce(0) { $0 + ($1.value.object?.members.count ?? 1) }
        #expect(count == expected.count + 1, "manifest itself")
        #expect(PortalCall.manifest.tree["tunnel"]?["connect"] == "duplex", "or Go would not call it")
    }
}
