import Blinding
import Invitation
import Keyring
import Multiserver
import MuxRPC
import NIOCore
import Node
import Testing
import Tunnel
import TypedSodium

@Suite("A grant as it travels")
struct GrantMessageTests {
    private let portals: [PortalAddress]
    private let shownKey: PublicKey
    private let text: JSONValue

    init() throws {
        let shownKey = try Identity.random().publicKey
        portals = [
            try PortalAddress(
                key: PortalKey(Identity.random().publicKey), host: "a.example", port: 1, isOpen: false,
                shownKey: shownKey),
            try PortalAddress(
                key: PortalKey(Identity.random().publicKey), host: "2001:db8::1", port: 2, isOpen: true),
        ]
        // The keyring of who grants need not know what is shown: it is computed.
        let grant = try CircleGrant(
            name: "home", generation: 7, epoch: Epoch(20_000), key: .random(),
            portals: portals.map { $0.showing(nil) })
        let hidden = portals[0].key
        let secret = try GrantMessage.text(of: grant) { portal in
            #expect(portal == hidden)
            return shownKey
        }
        self.shownKey = shownKey
        let bytes = secret.withSpan { span in span.indices.map { span[$0] } }
        text = try JSONValue(parsing: ByteBuffer(bytes: bytes))
    }

    @Test("names the key that is shown where its owner is hidden, and there alone, and reads again")
    func roundTrip() throws {
        let list = try #require(text["portals"]?.array)
        #expect(list.map { $0["as"]?.string } == [shownKey.id, nil])
        #expect(list.map { $0["hidden"]?.bool } == [true, false])
        let read = try GrantMessage.grant(in: text)
        #expect(read.portals == portals && read.name == "home" && read.generation == 7)
    }

    /// The grant with one member of a portal's object replaced, or left out.
    private func changed(_ index: Int, _ key: String, _ value: JSONValue?) throws -> JSONValue {
        var list = try #require(text["portals"]?.array)
        let members = try #require(list[index].object).members.filter { $0.key != key }
        var object = JSONObject(members)
        if let value { object[key] = value }
        list[index] = .object(object)
        var grant = try #require(text.object)
        grant["portals"] = .array(list)
        return .object(grant)
    }

    @Test("is refused where a portal says too little, too much, or something else")
    func strict() throws {
        let shown = JSONValue.string(shownKey.id)
        let changes: [(Int, String, JSONValue?)] = [
            (0, "as", nil), (0, "as", .null), (0, "as", 7), (0, "as", "@pseudonym"), (0, "as", [shown]),
            (0, "as", .string(String(shownKey.id.dropLast()))), (1, "as", shown), (1, "as", .null),
            (0, "hidden", nil), (0, "hidden", 1), (0, "hidden", "true"), (0, "hidden", false),
            (1, "hidden", true), (0, "id", nil), (0, "host", ""), (0, "host", "a b"), (0, "port", 0),
            (0, "port", 65_536), (0, "port", "1"),
        ]
        for (index, key, value) in changes {
            let grant = try changed(index, key, value)
            #expect(throws: GrantError.malformed, "\(index) \(key)") { _ = try GrantMessage.grant(in: grant) }
        }
    }

    @Test("is refused where one portal is named in two ways, and read where it has two hosts")
    func severalHosts() throws {
        let list = try #require(text["portals"]?.array)
        var grant = try #require(text.object)
        func read(_ second: JSONObject) throws -> Int {
            grant["portals"] = [list[0], .object(second)]
            return try GrantMessage.grant(in: .object(grant)).portals.count
        }
        var second = try #require(list[0].object)
        second["host"] = "b.example"
        #expect(try read(second) == 2)
        second["as"] = .string(portals[1].key.publicKey.id)
        #expect(throws: GrantError.malformed) { try read(second) }
        second = JSONObject(second.members.filter { $0.key != "as" })
        second["hidden"] = false
        #expect(throws: GrantError.malformed) { try read(second) }
    }
}
