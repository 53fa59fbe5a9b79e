import Blinding
import Keyring
import TestSupport
import Testing
import TypedSodium

/// Whoever was removed does not come back, whatever key it shows.
@Suite("Returning friends")
struct ReturnTests {
    private let tested: TestedKeyring
    private let keyring: Keyring
    private let now = TestedKeyring.now

    init() throws {
        tested = try TestedKeyring()
        keyring = try tested.open()
    }

    @Test("removing a friend closes every invite that ever admitted it, and says who else came by them")
    func everyInvite() throws {
        for number in 100...103 { try keyring.invite(number, InviteDraft(label: "\(number)", uses: 5)) }
        for number in [100, 101, 102] { _ = try keyring.invites.redeem(number, by: 2) }
        _ = try keyring.invites.redeem(101, by: 3)
        _ = try keyring.invites.redeem(103, by: 3)
        #expect(try keyring.invites.revoke(inviteKey(102), now: now))
        let removal = try keyring.friends.remove(person(2).publicKey, now: now)
        let newestFirst = try [102, 101, 100].map { try inviteKey($0) }
        #expect(removal.invites.map(\.invite.key) == newestFirst)
        #expect(removal.invites.map(\.wasOpen) == [false, true, true])
        #expect(removal.invites.map(\.invite.usesLeft) == [4, 3, 4])
        #expect(removal.invites.map { $0.others.map(\.name) } == [[], ["101"], []])
        #expect(!removal.invites.contains { !$0.isRecorded })
        for number in 100...102 {
            #expect(try keyring.invites.redeem(number, by: 50) == .refused(.revoked), "under another key")
        }
        #expect(try keyring.invites.redeem(103, by: 50) == .admitted(isFresh: true))
    }

    @Test("who was let in by id and presented an invite later is recorded with it too")
    func byID() throws {
        try keyring.friends.admit(person(2).publicKey, name: "anna", services: .all, now: now)
        try keyring.invite(100, InviteDraft(label: "x", uses: 2))
        #expect(try keyring.invites.redeem(100, by: 2) == .admitted(isFresh: false))
        try keyring.friends.remove(person(2).publicKey, now: now)
        #expect(try keyring.invites.redeem(100, by: 50) == .refused(.revoked))
    }

    @Test("who is refused leaves no trace, and the disk no transaction")
    func refusals() throws {
        try keyring.invite(100)
        _ = try keyring.invites.redeem(100, by: 2)
        let (number, sequence) = (keyring.stateNumber, try keyring.sequence())
        for invite in [100, 999] { _ = try keyring.invites.redeem(invite, by: 3) }
        #expect(try keyring.invites.redeem(100, by: 2) == .admitted(isFresh: false))
        #expect(keyring.stateNumber == number)
        #expect(try keyring.sequence() == sequence)
    }

    @Test("those who redeem at once share one transaction, and each has its own answer")
    func groups() throws {
        try keyring.invite(100, InviteDraft(label: "party", uses: 3))
        let number = keyring.stateNumber
        var requests = try [2, 3, 2, 4, 5].map {
            RedeemRequest(invite: try inviteKey(100), friend: try friendKey($0))
        }
        requests.insert(RedeemRequest(invite: try inviteKey(100), friend: try friendKey(1)), at: 2)
        let outcomes = try keyring.invites.redeem(requests, now: now)
        #expect(
            outcomes == [
                .success(.admitted(isFresh: true)), .success(.admitted(isFresh: true)), .failure(.ownKey),
                .success(.admitted(isFresh: false)), .success(.admitted(isFresh: true)),
                .success(.refused(.usedUp)),
            ])
        #expect(keyring.stateNumber == number + 1)
        #expect(try tested.checkBeside(keyring))
    }

    @Test("a member who was removed comes back neither under its key nor by the invites that admitted it")
    func members() throws {
        func redeem(_ invite: Int, _ member: Int) throws -> Redemption {
            try Membership(keyring).invites.redeem(inviteKey(invite), by: person(member).publicKey, now: now)
        }
        func make(_ number: Int) throws {
            _ = try Membership(keyring).invites.create(
                label: "\(number)", uses: 4, expiry: nil, seed: person(number).seed(), now: now)
        }
        for number in 100...102 { try make(number) }
        #expect(try redeem(100, 2) == .admitted(isFresh: true))
        #expect(try redeem(101, 2) == .admitted(isFresh: false))
        #expect(try redeem(101, 2) == .admitted(isFresh: false))
        #expect(try redeem(101, 3) == .admitted(isFresh: true))
        #expect(try Membership(keyring).invites.all().first { $0.label == "101" }?.usesLeft == 2)
        let removal = try #require(try Membership(keyring).remove(person(2).publicKey, now: now))
        #expect(Set(removal.invites.map(\.invite.label)) == ["100", "101"])
        #expect(try redeem(100, 2) == .refused(.removed) && redeem(102, 2) == .refused(.removed))
        #expect(try redeem(100, 50) == .refused(.revoked) && redeem(101, 50) == .refused(.revoked))
        #expect(try redeem(102, 50) == .admitted(isFresh: true))
        try make(103)
        #expect(try redeem(103, 2) == .admitted(isFresh: true))
        #expect(try Membership(keyring).remove(person(2).publicKey, now: now)?.member.label == "103")
        try Membership(keyring).add(person(2).publicKey, label: "by id", now: now)
        #expect(try redeem(102, 2) == .refused(.removed))
        // Who is denied would come back so as well.
        try Membership(keyring).deny(person(50).publicKey, now: now)
        #expect(try redeem(102, 51) == .refused(.revoked))
    }

    @Test("a visit is written once an hour, and costs nothing meanwhile")
    func visits() throws {
        try keyring.friends.admit(person(2).publicKey, name: "anna", services: .all, now: now)
        #expect(try keyring.friends.markSeen(person(2).publicKey, now: now))
        let number = keyring.stateNumber
        for seconds: UInt64 in [0, 1, 3_599] {
            #expect(try !keyring.friends.markSeen(person(2).publicKey, now: now + seconds))
        }
        #expect(try !keyring.friends.markSeen(person(3).publicKey, now: now))
        #expect(keyring.stateNumber == number)
        #expect(try keyring.friends.markSeen(person(2).publicKey, now: now + 3_600))
        #expect(try keyring.friends.find(named: "anna")?.lastSeen == now + 3_600)
    }
}

extension TestedKeyring {
    /// Whether a look at all of it, in a copy because this process has it open, finds nothing wrong.
    func checkBeside(_ keyring: Keyring) throws -> Bool {
        let copy = try TestedKeyring(copying: self)
        return try copy.check().vault == .matching
    }
}
