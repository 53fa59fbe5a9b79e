import Blinding
import Invitation
import Keyring
import Testing
import TypedSodium

/// The key that an endpoint shows at a portal where it is hidden, as far as its friends know it.
@Suite("Shown keys")
struct ShownKeyTests {
    private let tested: TestedKeyring
    private let now = TestedKeyring.now

    init() throws { tested = try TestedKeyring() }

    private func shown(_ number: Int) throws -> PublicKey { try person(700 + number).publicKey }

    private func grant(_ generation: UInt64, _ portals: [PortalAddress]) throws -> CircleGrant {
        try CircleGrant(
            name: "x", generation: generation, epoch: TestedKeyring.today, key: SecretKey.random(),
            portals: portals)
    }

    @Test("only a hidden place has one")
    func openPlaces() throws {
        #expect(try portal(1).shownKey == nil)
        #expect(try portal(1).showing(shown(1)).shownKey == shown(1))
        #expect(try portal(1, isOpen: true).showing(shown(1)).shownKey == nil)
        let open = try PortalAddress(
            key: portal(1).key, host: "a", port: 1, isOpen: true, shownKey: shown(1))
        #expect(open.shownKey == nil)
    }

    @Test("what an invite says is stored with the friend and with the invite, and is there when opened again")
    func joined() throws {
        let portals = try [portal(1).showing(shown(1)), portal(2, isOpen: true), portal(3)]
        let code = try InviteCode(
            endpoint: endpointKey(5), seed: person(101).seed(), expiry: nil, portals: portals)
        try tested.open().joins.begin(code, name: "clara", now: now)
        let keyring = try tested.open()
        #expect(
            try keyring.friends.find(named: "clara")?.reach?.portals.map(\.shownKey) == [shown(1), nil, nil])
        let stored = try keyring.joins.pending(of: endpointKey(5))?.portals
        #expect(stored == portals)
    }

    @Test("a grant's replaces the former one, and where it says none the former one stays")
    func granted() throws {
        let keyring = try tested.open()
        try keyring.friends.addReach(
            to: endpointKey(5), name: "clara", portals: [portal(1).showing(shown(1))])
        func known() throws -> [PublicKey?]? {
            try keyring.friends.find(named: "clara")?.reach?.portals.map(\.shownKey)
        }
        #expect(try known() == [shown(1)])
        _ = try keyring.circle.take(grant(1, [portal(1), portal(2)]), from: endpointKey(5), now: now)
        #expect(try known() == [shown(1), nil])
        _ = try keyring.circle.take(
            grant(2, [portal(2).showing(shown(2)), portal(1).showing(shown(3))]), from: endpointKey(5),
            now: now)
        #expect(try known() == [shown(2), shown(3)])
        // Open there now: its own key is shown, and no other is remembered.
        _ = try keyring.circle.take(grant(3, [portal(1, isOpen: true)]), from: endpointKey(5), now: now)
        #expect(try known() == [nil])
        try keyring.friends.addReach(to: endpointKey(5), portals: [portal(1)])
        #expect(try known() == [nil])
    }

    @Test("the owner's own portals keep theirs when they move, and lose it when they are opened")
    func ownPortals() throws {
        let keyring = try tested.open()
        try keyring.portals.add(portal(1).showing(shown(1)), now: now)
        let moved = try PortalAddress(key: portal(1).key, host: "elsewhere", port: 2, isOpen: false)
        try keyring.portals.add(moved, now: now)
        #expect(
            try keyring.portals.announced().map(\.portal.places)
                == [[portal(1).showing(shown(1)), moved.showing(shown(1))]])
        #expect(try keyring.portals.set(portal(1).key, isOpen: true))
        #expect(try keyring.portals.announced().flatMap(\.portal.places).map(\.shownKey) == [nil, nil])
    }
}
