import Blinding
import Invitation
import Keyring
import TestSupport
import Testing
import TypedSodium

@Suite("Redeeming")
struct RedeemTests {
    private let tested: TestedKeyring
    private let keyring: Keyring
    private let now = TestedKeyring.now
    private let day = TestedKeyring.day

    init() throws {
        tested = try TestedKeyring()
        keyring = try tested.open()
    }

    @Test("an invite makes a friend, named and with the services that it says, and is used up")
    func redeems() throws {
        let code = try keyring.invite(100, InviteDraft(label: "Anna's phone", services: .only(["ssh"])))
        #expect(code.endpoint == tested.endpoint)
        #expect(try keyring.invites.redeem(100, by: 2) == .admitted(isFresh: true))
        let friend = try #require(try keyring.friends.find(person(2).publicKey))
        #expect(friend.name == "Anna-s-phone")
        #expect(friend.admission?.services == .only(["ssh"]))
        #expect(try friend.admission?.invite == inviteKey(100))
        #expect(try friend.admission?.sequence == keyring.sequence())
        #expect(try keyring.invites.redeem(100, by: 3) == .refused(.usedUp))
        let invite = try keyring.invites.all()[0]
        #expect(invite.uses == 1 && invite.usesLeft == 0)
        #expect(invite.closing == Closing(reason: .usedUp, at: now))
    }

    @Test("of any number of redeemers exactly as many win as the invite has uses", arguments: [1, 2, 7])
    func uses(_ uses: Int) throws {
        try keyring.invite(100, InviteDraft(label: "party", uses: uses))
        let outcomes = try (0..<10).map { try keyring.invites.redeem(100, by: 200 + $0) }
        #expect(outcomes.prefix(uses).allSatisfy { $0 == .admitted(isFresh: true) })
        #expect(outcomes.dropFirst(uses).allSatisfy { $0 == .refused(.usedUp) })
        let names = (0..<uses).map { $0 == 0 ? "party" : "party-\($0 + 1)" }
        #expect(try keyring.names == names.sorted())
    }

    @Test("of many at once, on several threads, exactly as many win as the invite has uses")
    func race() async throws {
        try keyring.invite(100, InviteDraft(label: "race", uses: 5))
        let keyring = keyring
        let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<20 {
                group.addTask {
                    try keyring.invites.redeem(100, by: 200 + number) == .admitted(isFresh: true)
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(wins == 5)
        #expect(try keyring.friends.all().count == 5)
    }

    @Test("who came by it already costs no use, even once it is closed")
    func again() throws {
        try keyring.invite(100, InviteDraft(label: "x", uses: 2))
        for _ in 0..<3 { _ = try keyring.invites.redeem(100, by: 2) }
        #expect(try keyring.invites.all()[0].usesLeft == 1)
        #expect(try keyring.invites.revoke(inviteKey(100), now: now))
        #expect(try keyring.invites.redeem(100, by: 2) == .admitted(isFresh: false))
        #expect(try keyring.invites.redeem(100, by: 3) == .refused(.revoked))
        #expect(try !keyring.invites.revoke(inviteKey(100), now: now))
    }

    @Test("who is a friend already gains the invite's services, costs one use, and is recorded with it")
    func gains() throws {
        try keyring.friends.admit(person(2).publicKey, name: "anna", services: .only(["web"]), now: now)
        try keyring.invite(100, InviteDraft(label: "x", services: .only(["ssh"]), uses: 2))
        for _ in 0..<2 {
            #expect(try keyring.invites.redeem(100, by: 2, now: now + 7) == .admitted(isFresh: false))
            #expect(try keyring.invites.all()[0].usesLeft == 1)
        }
        let admission = try #require(try keyring.friends.find(named: "anna")?.admission)
        #expect(admission.services == .only(["ssh", "web"]))
        #expect(admission.invite == nil && admission.uses.isComplete)
        #expect(try admission.uses.list == [InviteUse(invite: inviteKey(100), at: now + 7)])
        #expect(try keyring.invites.redeem(100, by: 3) == .admitted(isFresh: true))
        #expect(try keyring.invites.redeem(100, by: 4) == .refused(.usedUp))
        #expect(try keyring.invites.redeem(100, by: 2) == .admitted(isFresh: false))
    }

    @Test("who can only be reached becomes a friend, under the name that it has")
    func reachedBefore() throws {
        try keyring.friends.addReach(to: endpointKey(2), name: "anna", portals: [portal(0)])
        try keyring.invite(100, InviteDraft(label: "somebody"))
        #expect(try keyring.invites.redeem(100, by: 2) == .admitted(isFresh: true))
        let friend = try #require(try keyring.friends.find(named: "anna"))
        #expect(friend.admission != nil && friend.reach != nil)
    }

    @Test("an expired, a revoked and an unknown invite are told apart")
    func refusals() throws {
        try keyring.invite(100, InviteDraft(label: "x", expiry: now + 10))
        #expect(try keyring.invites.redeem(100, by: 2, now: now + 10) == .refused(.expired))
        #expect(try keyring.invites.redeem(100, by: 2, now: now + 9) == .admitted(isFresh: true))
        #expect(try keyring.invites.redeem(101, by: 2) == .refused(.revoked))
        #expect(
            [RedeemRefusal.usedUp, .revoked, .expired, .removed].map(\.message)
                == ["invite used up", "invite revoked", "invite expired", "removed"])
    }

    @Test("nobody redeems with a key that is none, the owner's, or the invite's own")
    func keys() throws {
        try keyring.invite(100)
        #expect(throws: KeyringError.ownKey) { try keyring.invites.redeem(100, by: tested.number) }
        #expect(throws: KeyringError.unusableKey) { try keyring.invites.redeem(100, by: 100) }
        #expect(throws: KeyringError.unusableKey) {
            try keyring.invites.redeem(inviteKey(100), by: FriendKey(PublicKey(FixedBytes())), now: now)
        }
        #expect(try keyring.invites.all()[0].usesLeft == 1)
    }

    @Test("who was removed is never admitted by an older invite, and is by a later one")
    func tombstones() throws {
        for number in [100, 101] { try keyring.invite(number, InviteDraft(label: "x", uses: 3)) }
        _ = try keyring.invites.redeem(100, by: 2)
        let removed = try keyring.friends.remove(person(2).publicKey, now: now + 5)
        #expect(removed.friend.admission != nil)
        #expect(try keyring.friends.all().isEmpty)
        // The invite that it came by is revoked for everybody; the other one for this friend alone.
        #expect(try keyring.invites.redeem(100, by: 2) == .refused(.removed))
        #expect(try keyring.invites.redeem(100, by: 3) == .refused(.revoked))
        #expect(try keyring.invites.redeem(101, by: 2) == .refused(.removed))
        #expect(try keyring.invites.redeem(101, by: 3) == .admitted(isFresh: true))
        let closing = try keyring.invites.all().first { try $0.key == inviteKey(100) }?.closing
        #expect(closing == Closing(reason: .revoked, at: now + 5))
        try keyring.invite(102)
        #expect(try keyring.invites.redeem(102, by: 2) == .admitted(isFresh: true))
        #expect(try keyring.invites.redeem(101, by: 2) == .refused(.removed))
    }

    @Test("an invite that is no invite is refused")
    func drafts() throws {
        for uses in [0, -1, 1_001] {
            #expect(throws: KeyringError.badUseCount(uses)) {
                try keyring.invite(100, InviteDraft(label: "x", uses: uses))
            }
        }
        #expect(throws: KeyringError.labelTooLong(257)) {
            try keyring.invite(100, InviteDraft(label: String(repeating: "x", count: 257)))
        }
        #expect(throws: KeyringError.expiryPassed(now, now: now)) {
            try keyring.invite(100, InviteDraft(label: "x", expiry: now))
        }
        #expect(throws: KeyringError.invite(.noPortal)) {
            _ = try keyring.invites.create(
                InviteDraft(label: "x"), portals: [], seed: person(100).seed(), now: now)
        }
        try keyring.invite(100, InviteDraft(label: "x", uses: 1_000))
        #expect(throws: KeyringError.seedUsed) { try keyring.invite(100) }
        #expect(throws: KeyringError.ownKey) { try keyring.invite(tested.number) }
        #expect(try keyring.invites.all().count == 1)
    }

    @Test("time closes an invite, lets it go after 7 days and forgets it after 30")
    func ages() throws {
        try keyring.invite(100, InviteDraft(label: "x", expiry: now + day))
        func age(to time: UInt64) throws -> InviteRecord? {
            // In steps, as a node that runs: a jump would put the clock in doubt.
            var step = now
            while step < time {
                step = min(step + day, time)
                try keyring.clock.tidy(now: step)
            }
            return try keyring.invites.all().first
        }
        #expect(try age(to: now + day - 1)?.closing == nil)
        #expect(try age(to: now + day)?.closing == Closing(reason: .expired, at: now + day))
        #expect(try age(to: now + 8 * day - 1)?.isEntry == true)
        #expect(try age(to: now + 8 * day)?.isEntry == false)
        #expect(try age(to: now + 31 * day - 1) != nil)
        #expect(try age(to: now + 31 * day) == nil)
        #expect(try keyring.invites.redeem(100, by: 2, now: now + 31 * day) == .refused(.revoked))
    }

    @Test("labels become names that are ones")
    func labels() throws {
        let labels = [
            "  Zoë  B. ", "@x", "---", "", "\u{1b}[31mred", String(repeating: "é", count: 100), "🙂",
        ]
        for (number, label) in labels.enumerated() {
            try keyring.invite(100 + number, InviteDraft(label: label))
            _ = try keyring.invites.redeem(100 + number, by: 200 + number)
            let name = try #require(try keyring.friends.find(person(200 + number).publicKey)?.name)
            #expect(try keyring.friends.find(named: name) != nil)
            #expect(name.utf8.count <= 64)
        }
        #expect(try keyring.friends.find(named: "Zoë-B.") != nil)
        #expect(try keyring.friends.find(named: "x") != nil)
        #expect(try keyring.names.count { $0.hasPrefix("friend-") } == 3)
    }
}
