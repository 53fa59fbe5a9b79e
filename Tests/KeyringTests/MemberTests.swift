import Blinding
import Keyring
import Testing
import TypedSodium

@Suite("A portal's own policy")
struct MemberTests {
    private let tested: TestedKeyring
    private let keyring: Keyring
    private let now = TestedKeyring.now

    init() throws {
        tested = try TestedKeyring()
        keyring = try tested.open()
    }

    private func invite(_ number: Int, uses: Int = 1, expiry: UInt64? = nil) throws -> InviteRecord {
        try Membership(keyring).invites.create(
            label: "guests", uses: uses, expiry: expiry, seed: person(number).seed(), now: now)
    }

    private func redeem(_ invite: Int, by member: Int, now: UInt64 = TestedKeyring.now) throws
        -> Redemption
    {
        try Membership(keyring).invites.redeem(inviteKey(invite), by: person(member).publicKey, now: now)
    }

    @Test("a portal serves everyone unless said otherwise")
    func audiences() throws {
        #expect(
            try Membership(keyring).policy().announcers == .everyone
                && Membership(keyring).policy().callers == .everyone)
        try Membership(keyring).setAnnouncers(.members)
        #expect(
            try Membership(keyring).policy().announcers == .members
                && Membership(keyring).policy().callers == .everyone)
        try Membership(keyring).setCallers(.members)
        try Membership(keyring).setAnnouncers(.everyone)
        #expect(
            try Membership(keyring).policy().announcers == .everyone
                && Membership(keyring).policy().callers == .members)
        let sequence = try keyring.sequence()
        try Membership(keyring).setCallers(.members)
        #expect(try keyring.sequence() == sequence)
    }

    @Test("members are added, labelled and removed")
    func members() throws {
        try Membership(keyring).add(person(2).publicKey, label: "b", now: now)
        try Membership(keyring).add(person(3).publicKey, label: "a", now: now)
        try Membership(keyring).add(person(2).publicKey, label: "c", now: now + 1)
        #expect(try Membership(keyring).all().map(\.label) == ["a", "c"])
        #expect(try Membership(keyring).all()[1].since == now)
        #expect(try Membership(keyring).remove(person(2).publicKey, now: now)?.member.label == "c")
        #expect(try Membership(keyring).remove(person(2).publicKey, now: now) == nil)
        #expect(throws: KeyringError.labelTooLong(300)) {
            try Membership(keyring).add(
                person(2).publicKey, label: String(repeating: "x", count: 300), now: now)
        }
    }

    @Test("who is denied is so until it is said otherwise")
    func denials() throws {
        try Membership(keyring).deny(person(2).publicKey, now: now)
        try Membership(keyring).deny(person(2).publicKey, now: now + 1)
        #expect(try Membership(keyring).denied() == [Denial(key: person(2).publicKey, since: now)])
        _ = try invite(100)
        #expect(try redeem(100, by: 2) == .refused(.removed))
        #expect(try Membership(keyring).undeny(person(2).publicKey))
        #expect(try !Membership(keyring).undeny(person(2).publicKey))
        #expect(try redeem(100, by: 2) == .admitted(isFresh: true))
    }

    @Test("an invite makes as many members as it has uses")
    func invites() throws {
        let made = try invite(100, uses: 2, expiry: now + 100)
        #expect(try Membership(keyring).invites.all() == [made])
        #expect(try made.key == inviteKey(100) && made.usesLeft == 2)
        #expect(try redeem(100, by: 2) == .admitted(isFresh: true))
        #expect(try redeem(100, by: 2) == .admitted(isFresh: false))
        #expect(try redeem(100, by: 3, now: now + 100) == .refused(.expired))
        #expect(try redeem(100, by: 3) == .admitted(isFresh: true))
        #expect(try redeem(100, by: 4) == .refused(.usedUp))
        #expect(try redeem(101, by: 4) == .refused(.revoked))
        #expect(try Membership(keyring).all().map(\.label) == ["guests", "guests"])
        #expect(try Membership(keyring).all().allSatisfy { try $0.invite == inviteKey(100) })
        #expect(throws: KeyringError.seedUsed) { _ = try invite(100) }
    }

    @Test("an invite is taken back by its maker, by removing who came by it, and by time")
    func closing() throws {
        for number in 100...102 { _ = try invite(number, uses: 5, expiry: now + 2 * TestedKeyring.day) }
        #expect(try Membership(keyring).invites.revoke(inviteKey(100), now: now))
        #expect(try !Membership(keyring).invites.revoke(inviteKey(100), now: now))
        #expect(try redeem(100, by: 2) == .refused(.revoked))
        _ = try redeem(101, by: 2)
        try Membership(keyring).remove(person(2).publicKey, now: now)
        #expect(try redeem(101, by: 2) == .refused(.removed))
        #expect(try redeem(101, by: 3) == .refused(.revoked))
        for days in 1...33 { try keyring.clock.tidy(now: now + UInt64(days) * TestedKeyring.day) }
        #expect(try Membership(keyring).invites.all().isEmpty)
        #expect(try redeem(102, by: 3) == .refused(.revoked))
    }
}
