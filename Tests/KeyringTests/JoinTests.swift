import Blinding
import Invitation
import Keyring
import Testing
import TypedSodium

@Suite("Joining")
struct JoinTests {
    private let tested: TestedKeyring
    private let keyring: Keyring
    private let now = TestedKeyring.now

    init() throws {
        tested = try TestedKeyring()
        keyring = try tested.open()
    }

    private func code(of endpoint: Int = 2, seed: Int = 100, expiry: UInt64? = nil) throws -> InviteCode {
        try InviteCode(
            endpoint: endpointKey(endpoint), seed: person(seed).seed(), expiry: expiry,
            portals: portals)
    }

    private var portals: [PortalAddress] {
        get throws { [try portal(1).showing(person(700).publicKey), try portal(2, isOpen: true)] }
    }

    private func grant(
        generation: UInt64, key: UInt8 = 1, epoch: Epoch = TestedKeyring.today,
        portals: [PortalAddress] = []
    ) throws -> CircleGrant {
        try CircleGrant(
            name: "theirs", generation: generation, epoch: epoch,
            key: SecretKey(copying: [UInt8](repeating: key, count: 32).span), portals: portals)
    }

    @Test("an accepted invite is there until it is redeemed, also after opening again")
    func pending() throws {
        let code = try code(expiry: now + 5)
        do {
            let friend = try keyring.joins.begin(code, name: "anna", now: now)
            #expect(friend.reach?.isPending == true && friend.admission == nil)
            #expect(try friend.reach?.portals == portals)
        }
        let found = try keyring.joins.pending(of: endpointKey(2))
        #expect(try found?.encoded() == code.encoded())
        #expect(try keyring.joins.pending(of: endpointKey(3)) == nil)
        try keyring.joins.complete(of: endpointKey(2), now: now)
        #expect(try keyring.joins.pending(of: endpointKey(2)) == nil)
        #expect(try keyring.friends.find(named: "anna")?.reach?.isPending == false)
        #expect(throws: KeyringError.noSuchFriend) {
            try keyring.joins.complete(of: endpointKey(3), now: now)
        }
    }

    @Test("a grant ends the pending state and brings name, portals and key")
    func granted() throws {
        try keyring.joins.begin(code(), name: "anna", now: now)
        #expect(
            try keyring.circle.take(
                grant(generation: 7, portals: [portal(3)]), from: endpointKey(2), now: now)
                == .taken)
        #expect(try keyring.joins.pending(of: endpointKey(2)) == nil)
        let reach = try #require(try keyring.friends.find(named: "anna")?.reach)
        #expect(!reach.isPending && reach.nodeName == "theirs" && reach.generation == 7)
        #expect(try reach.portals == [portal(3)])
        #expect(reach.epoch == TestedKeyring.today)
    }

    @Test("what was accepted can be given up, and leaves nothing behind")
    func abandoned() throws {
        try keyring.joins.begin(code(), now: now)
        #expect(try keyring.joins.abandon(of: endpointKey(2)))
        #expect(try keyring.friends.all().isEmpty)
        #expect(try !keyring.joins.abandon(of: endpointKey(2)))
        // Somebody who is a friend stays one.
        try keyring.friends.admit(person(2).publicKey, name: "anna", services: .all, now: now)
        try keyring.joins.begin(code(), now: now)
        #expect(try keyring.joins.abandon(of: endpointKey(2)))
        #expect(try keyring.friends.find(named: "anna")?.reach == nil)
        // Somebody who was reached before still is.
        _ = try keyring.circle.take(
            grant(generation: 7, portals: [portal(3)]), from: endpointKey(2), now: now)
        try keyring.joins.begin(code(), now: now)
        #expect(try keyring.joins.abandon(of: endpointKey(2)))
        #expect(try keyring.friends.find(named: "anna")?.reach?.generation == 7)
        #expect(try keyring.friends.find(named: "anna")?.reach?.isPending == false)
    }

    @Test("another invite of the same endpoint replaces the one before")
    func replaced() throws {
        try keyring.joins.begin(code(seed: 100), name: "anna", now: now)
        let second = try code(seed: 101)
        try keyring.joins.begin(second, now: now)
        #expect(try keyring.joins.pending(of: endpointKey(2))?.encoded() == second.encoded())
        #expect(try keyring.names == ["anna"])
    }

    @Test("one's own invite is refused")
    func own() throws {
        #expect(throws: KeyringError.ownKey) {
            try keyring.joins.begin(code(of: tested.number), now: now)
        }
    }

    @Test("a later generation is taken at once, an equal one kept, an earlier one ignored")
    func generations() throws {
        try keyring.friends.admit(person(2).publicKey, name: "anna", services: .all, now: now)
        let endpoint = try endpointKey(2)
        #expect(
            try keyring.circle.take(grant(generation: 7, portals: [portal(1)]), from: endpoint, now: now)
                == .taken)
        #expect(try keyring.circle.take(grant(generation: 7, key: 2), from: endpoint, now: now) == .kept)
        #expect(
            try keyring.circle.take(grant(generation: 6, portals: [portal(2)]), from: endpoint, now: now)
                == .older)
        #expect(try keyring.friends.find(named: "anna")?.reach?.portals == [portal(1)])
        #expect(try keyring.circle.take(grant(generation: 8, key: 3), from: endpoint, now: now) == .taken)
        let reach = try #require(try keyring.friends.find(named: "anna")?.reach)
        // A grant without portals says nothing about them.
        #expect(try reach.generation == 8 && reach.portals == [portal(1)])
        let sequence = try keyring.sequence()
        #expect(try keyring.circle.take(grant(generation: 8), from: endpoint, now: now) == .kept)
        #expect(try keyring.sequence() == sequence)
        #expect(
            try keyring.circle.take(grant(generation: 8, portals: [portal(4)]), from: endpoint, now: now)
                == .kept)
        #expect(try keyring.friends.find(named: "anna")?.reach?.portals == [portal(4)])
    }

    @Test("a grant from a stranger, or from another day, is refused")
    func refusedGrants() throws {
        #expect(throws: KeyringError.noSuchFriend) {
            try keyring.circle.take(grant(generation: 7), from: endpointKey(2), now: now)
        }
        try keyring.friends.admit(person(2).publicKey, services: .all, now: now)
        let today = TestedKeyring.today
        for (offset, isTaken) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let epoch = Epoch(UInt64(Int(today.number) + offset))
            let outcome = try keyring.circle.take(
                grant(generation: UInt64(10 + offset), epoch: epoch), from: endpointKey(2), now: now)
            #expect(outcome == (isTaken ? .taken : .clocksDiffer(theirs: epoch, ours: today)))
        }
    }

    @Test("a grant with a name that cannot be shown, or too many portals, is none")
    func badGrants() throws {
        for name in ["", "a\nb", "\u{1b}[0m", "\u{202e}x", String(repeating: "x", count: 65)] {
            #expect(throws: KeyringError.badNodeName) {
                _ = try CircleGrant(
                    name: name, generation: 1, epoch: TestedKeyring.today, key: SecretKey.random(),
                    portals: [])
            }
        }
        #expect(throws: KeyringError.tooManyPortals(9)) {
            _ = try grant(generation: 1, portals: (0..<9).map { try portal($0) })
        }
    }
}
