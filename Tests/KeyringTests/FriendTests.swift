import Blinding
import Invitation
import Keyring
import Multiserver
import Testing
import TypedSodium

@Suite("Friends")
struct FriendTests {
    private let tested: TestedKeyring
    private let keyring: Keyring
    private let now = TestedKeyring.now

    init() throws {
        tested = try TestedKeyring()
        keyring = try tested.open()
    }

    @Test("a friend who is admitted by id is there by key and by name, also after opening again")
    func admits() throws {
        let key = try person(2).publicKey
        let friend = try keyring.friends.admit(
            key, name: "anna", services: .services(["web", "ssh", "web"]), now: now)
        #expect(friend.name == "anna" && friend.reach == nil && friend.lastSeen == nil)
        #expect(friend.admission?.services == .only(["ssh", "web"]))
        #expect(friend.admission?.since == now && friend.admission?.invite == nil)
        #expect(try keyring.friends.find(named: "anna") == friend)
        #expect(try keyring.friends.find(key) == friend)
        #expect(try keyring.friends.all() == [friend])
        #expect(try keyring.friends.find(named: "berta") == nil)
        #expect(try keyring.friends.find(person(3).publicKey) == nil)
    }

    @Test("a friend without a name is called after its key")
    func unnamed() throws {
        let friend = try keyring.friends.admit(person(2).publicKey, services: .all, now: now)
        #expect(friend.name.hasPrefix("friend-") && friend.name.utf8.count == 15)
        // Admitting again changes the services and keeps the name.
        let again = try keyring.friends.admit(person(2).publicKey, services: .only([]), now: now + 5)
        #expect(again.name == friend.name && again.admission?.services == .only([]))
        #expect(again.admission?.since == now)
    }

    @Test("names are somebody's alone, and cannot be taken for anything else")
    func namesAreUnique() throws {
        try keyring.friends.admit(person(2).publicKey, name: "anna", services: .all, now: now)
        #expect(throws: KeyringError.nameTaken("anna")) {
            try keyring.friends.admit(person(3).publicKey, name: "anna", services: .all, now: now)
        }
        for name in ["", "@anna", "a b", "net:x", "-a", "a/b", "a~b", String(repeating: "x", count: 65)] {
            #expect(throws: KeyringError.badName(name)) {
                try keyring.friends.admit(person(3).publicKey, name: name, services: .all, now: now)
            }
        }
        try keyring.friends.admit(person(3).publicKey, name: "Jürgen_2.x-y", services: .all, now: now)
        #expect(throws: KeyringError.nameTaken("anna")) {
            try keyring.friends.rename(person(3).publicKey, to: "anna")
        }
        try keyring.friends.rename(person(2).publicKey, to: "berta")
        try keyring.friends.rename(person(3).publicKey, to: "anna")
        #expect(try keyring.names == ["anna", "berta"])
        #expect(try keyring.friends.find(named: "anna")?.key == person(3).publicKey)
    }

    @Test("nobody is admitted whose key is none, or the owner's own")
    func refusesKeys() throws {
        #expect(throws: KeyringError.ownKey) {
            try keyring.friends.admit(tested.owner.publicKey, services: .all, now: now)
        }
        #expect(throws: KeyringError.unusableKey) {
            try keyring.friends.admit(PublicKey(FixedBytes()), services: .all, now: now)
        }
        #expect(throws: KeyringError.noSuchFriend) {
            try keyring.friends.allow(person(2).publicKey, services: .all)
        }
        #expect(throws: KeyringError.noSuchFriend) {
            try keyring.friends.remove(person(2).publicKey, now: now)
        }
        #expect(throws: KeyringError.noSuchFriend) {
            try keyring.friends.rename(person(2).publicKey, to: "x")
        }
        try keyring.friends.addReach(to: endpointKey(2), name: "anna", portals: [portal(0)])
        #expect(throws: KeyringError.notAdmitted(name: "anna")) {
            try keyring.friends.allow(person(2).publicKey, services: .all)
        }
        #expect(try keyring.friends.all().count == 1)
    }

    @Test(
        "every change raises the sequence number by one, being seen does not, and what changes nothing neither"
    )
    func sequence() throws {
        let key = try person(2).publicKey
        var expected = try keyring.sequence()
        func expectChange(_ isChange: Bool = true, _ body: () throws -> Void) throws {
            try body()
            expected += isChange ? 1 : 0
            #expect(try keyring.sequence() == expected)
        }
        try expectChange { try keyring.friends.admit(key, name: "anna", services: .all, now: now) }
        try expectChange { try keyring.friends.allow(key, services: .only(["ssh"])) }
        try expectChange(false) { try keyring.friends.allow(key, services: .only(["ssh"])) }
        try expectChange { try keyring.friends.rename(key, to: "berta") }
        try expectChange(false) { try keyring.friends.rename(key, to: "berta") }
        let state = keyring.stateNumber
        try expectChange(false) { try keyring.friends.markSeen(key, now: now + 1) }
        #expect(keyring.stateNumber > state)
        #expect(try keyring.friends.find(key)?.lastSeen == now + 1)
        try expectChange(false) { try keyring.friends.markSeen(person(3).publicKey, now: now) }
        try expectChange { try keyring.portals.add(portal(1), now: now) }
        try expectChange(false) { try keyring.portals.add(portal(1), now: now) }
        try expectChange { _ = try keyring.portals.set(portal(1).key, isOpen: true) }
        try expectChange(false) { _ = try keyring.portals.set(portal(1).key, isOpen: true) }
        try expectChange { _ = try keyring.portals.remove(portal(1).key) }
        try expectChange(false) { _ = try keyring.portals.remove(portal(1).key) }
        try expectChange { try keyring.friends.remove(key, now: now) }
        try expectChange(false) { try keyring.clock.tidy(now: now) }
        try expectChange(false) { _ = try? keyring.friends.remove(key, now: now) }
    }

    @Test("portals are listed as they were added, and are opened and removed by key")
    func portals() throws {
        for number in [3, 1, 2] { try keyring.portals.add(portal(number), now: now + UInt64(9 - number)) }
        #expect(try keyring.portals.announced().map(\.portal) == [portal(3), portal(2), portal(1)])
        #expect(try keyring.portals.set(portal(2).key, isOpen: true))
        #expect(try keyring.portals.announced()[1].portal == portal(2, isOpen: true))
        #expect(try keyring.portals.remove(portal(3).key))
        #expect(try !keyring.portals.remove(portal(3).key))
        #expect(try !keyring.portals.set(portal(3).key, isOpen: true))
        #expect(try keyring.portals.announced().count == 2)
        #expect(throws: KeyringError.ownKey) {
            let own = try PortalAddress(
                key: PortalKey(tested.owner.publicKey), host: "a", port: 1, isOpen: true)
            try keyring.portals.add(own, now: now)
        }
    }

    @Test("services are bounded, and joined")
    func services() throws {
        let key = try person(2).publicKey
        for names in [[""], [String(repeating: "x", count: 65)]] {
            #expect(throws: KeyringError.badServiceName(names[0])) {
                try keyring.friends.admit(key, services: .only(names), now: now)
            }
        }
        #expect(throws: KeyringError.tooManyServices(257)) {
            try keyring.friends.admit(key, services: .services((0..<257).map(String.init)), now: now)
        }
        #expect(ServiceGrant.only(["a"]).union(.only(["b", "a"])) == .only(["a", "b"]))
        #expect(ServiceGrant.only(["a"]).union(.all) == .all && ServiceGrant.all.union(.only([])) == .all)
        #expect(
            ServiceGrant.all.includes(ServiceName("x"))
                && !ServiceGrant.only(["a"]).includes(ServiceName("x")))
    }
}
