import Blinding
import Keyring
import TestSupport
import Testing
import TypedSodium

@Suite("A portal's policy by a log")
struct MembershipLogTests {
    private static let now = TestedKeyring.now
    private let tested: TestedKeyring
    private let keyring: Keyring
    private let membership: Membership
    private var log: MembershipLog { membership.log }

    init() throws {
        tested = try TestedKeyring()
        keyring = try tested.open()
        membership = Membership(keyring)
    }

    private static func place(_ index: UInt64) -> LogPlace {
        var hash = FixedBytes<32>()
        hash.storage[0] = UInt8(truncatingIfNeeded: index)
        hash.storage[1] = index == 0 ? 0 : 7
        return index == 0 ? .start : LogPlace(index: index, hash: hash)
    }

    @discardableResult
    private static func apply(
        _ changes: [PolicyChange], _ index: UInt64, to log: MembershipLog, at time: UInt64 = now
    ) throws -> MembershipLog.Step {
        try log.apply(PolicyChanges(changes, at: time), to: place(index), behind: place(index - 1).hash)
    }

    /// What came of a record, without the numbers that each keyring has of its own.
    private static func plain(_ step: MembershipLog.Step) -> [String] {
        guard case .applied(let outcomes) = step else { return ["\(step)"] }
        return outcomes.map { outcome in
            guard case .removed(let removal) = outcome else { return "\(outcome)" }
            let closed = removal.invites.map { "\($0.invite.key) \($0.invite.usesLeft) \($0.others)" }
            return "\(removal.member) \(closed.sorted())"
        }
    }

    private func apply(_ changes: PolicyChange..., as index: UInt64) throws -> MembershipLog.Step {
        try Self.apply(changes, index, to: log)
    }

    @Test("each record is applied once, behind the one before, with its place")
    func places() throws {
        #expect(try log.state().place == .start && log.state().isEmpty)
        let key = try person(2).publicKey
        #expect(try apply(.denial(key), as: 1) == .applied([.made]))
        #expect(try apply(.denial(key), as: 1) == .known)
        #expect(try apply(.allowance(key), as: 3) == .foreign(Self.place(1)))
        #expect(
            try log.apply(PolicyChanges([], at: 1), to: Self.place(2), behind: FixedBytes())
                == .foreign(Self.place(1)))
        #expect(
            try log.apply(
                PolicyChanges([], at: 1), to: LogPlace(index: 1, hash: FixedBytes()), behind: FixedBytes())
                == .foreign(Self.place(1)))
        #expect(try apply(.allowance(key), .allowance(key), as: 2) == .applied([.made, .unchanged]))
        #expect(try log.state().place == Self.place(2) && !log.state().isEmpty == false)
        #expect(try TestedKeyring(copying: tested).check().sequence == keyring.sequence())
    }

    @Test("every change comes to what it comes to in a keyring alone")
    func outcomes() throws {
        let (anna, ben, invite) = (try person(2).publicKey, try person(3).publicKey, try inviteKey(100))
        #expect(try apply(.audiences(announcers: .members, callers: nil), as: 1) == .applied([.made]))
        #expect(try membership.policy().announcers == .members)
        #expect(try apply(.member(anna, label: "anna"), as: 2) == .applied([.made]))
        #expect(
            try apply(.invite(invite, label: "b", uses: 1, expiry: nil), as: 3) == .applied([.made]))
        #expect(
            try apply(.invite(invite, label: "b", uses: 1, expiry: nil), as: 4)
                == .applied([.refused(.seedUsed)]))
        let (first, second) = (
            MemberRequest(invite: invite, feed: ben),
            MemberRequest(invite: invite, feed: try person(4).publicKey)
        )
        #expect(
            try apply(.redemption(first), .redemption(second), .redemption(first), as: 5)
                == .applied([
                    .redemption(.admitted(isFresh: true)), .redemption(.refused(.usedUp)),
                    .redemption(.admitted(isFresh: false)),
                ]))
        #expect(
            try log.foresee([first, second], now: Self.now) == [.admitted(isFresh: false), .refused(.usedUp)])
        guard case .applied(let removed) = try apply(.removal(ben), .removal(ben), as: 6),
            case .removed(let removal) = removed[0]
        else {
            Issue.record("nobody was removed")
            return
        }
        #expect(removal.member.key == ben && removed[1] == .unchanged)
        #expect(try apply(.revocation(invite), as: 7) == .applied([.unchanged]))
        #expect(try membership.all().map(\.label) == ["anna"])
    }

    @Test(
        "two keyrings that have little in common come to the same, invites of removed members included",
        arguments: 0..<6)
    func agreement(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let other = try TestedKeyring(owner: 6)
        let busy = try other.open()
        // Its sequence numbers are others.
        for number in 0..<40 { try busy.invite(2_000 + number) }
        let second = Membership(busy).log
        var index: UInt64 = 0
        for round in 0..<150 as Range<UInt64> {
            let (who, which) = (
                Int.random(in: 2...6, using: &random), Int.random(in: 100...105, using: &random)
            )
            let key = try person(who).publicKey
            let change: PolicyChange =
                switch Int.random(in: 0..<8, using: &random) {
                case 0: .removal(key)
                case 1: .invite(try inviteKey(which), label: "g", uses: 2, expiry: Self.now + 50)
                case 2: .revocation(try inviteKey(which))
                case 3: .member(key, label: "\(who)")
                case 4 where round.isMultiple(of: 9): .denial(key)
                case 5: .allowance(key)
                default: .redemption(MemberRequest(invite: try inviteKey(which), feed: key))
                }
            if case .invite = change, round.isMultiple(of: 3) {
                try busy.clock.tidy(now: Self.now + 90 * 86_400)
            }
            index += 1
            let time = Self.now + round
            let (first, next) = (
                try Self.apply([change], index, to: log, at: time),
                try Self.apply([change], index, to: second, at: time)
            )
            #expect(Self.plain(first) == Self.plain(next))
        }
        #expect(try membership.all().map(\.key) == Membership(busy).all().map(\.key))
        #expect(Set(try membership.denied()) == Set(try Membership(busy).denied()))
        #expect(try log.state().place == second.state().place)
        for one in [tested, other] { _ = try TestedKeyring(copying: one).check() }
    }

    @Test("a keyring with a log is changed by its log alone, unless the portal is run alone")
    func alone() throws {
        let key = try person(2).publicKey
        try log.follow()
        #expect(throws: KeyringError.inCluster) { try membership.deny(key, now: Self.now) }
        _ = try apply(.denial(key), as: 1)
        try log.follow()
        #expect(try log.state().place == Self.place(1))
        #expect(throws: KeyringError.inCluster) { try membership.undeny(key) }
        #expect(throws: KeyringError.inCluster) {
            try membership.invites.redeem(inviteKey(1), by: key, now: Self.now)
        }
        #expect(try log.leave())
        #expect(try !log.leave())
        #expect(try apply(.allowance(key), as: 2) == .foreign(Self.place(1)))
        #expect(try log.rejoin())
        #expect(throws: KeyringError.inCluster) { try membership.undeny(key) }
        #expect(try log.leave())
        #expect(try membership.undeny(key))
        #expect(try log.state().isChangedAlone)
        #expect(try !log.rejoin())
        try log.forget()
        #expect(try log.rejoin() && log.state().isEmpty && log.state().place == .start)
    }

    @Test("urgent denials count at once, apart from what the log says, until it says them")
    func urgent() throws {
        let (anna, ben, invite) = (try person(2).publicKey, try person(3).publicKey, try inviteKey(100))
        _ = try apply(.invite(invite, label: "", uses: 5, expiry: nil), as: 1)
        let byAnna = PolicyChange.redemption(MemberRequest(invite: invite, feed: anna))
        _ = try apply(byAnna, as: 2)
        let denial = Denial(key: anna, since: Self.now)
        #expect(try log.denyUrgently([denial]) == .counts(new: [anna]))
        #expect(try log.denyUrgently([denial]) == .counts(new: []))
        #expect(try membership.denied() == [denial] && log.urgentDenials() == [denial])
        // Nobody comes by what admitted her, and she by nothing; but of the log, which has not heard of it, nothing changes.
        let requests = [
            MemberRequest(invite: invite, feed: ben), MemberRequest(invite: invite, feed: anna),
        ]
        #expect(try log.foresee(requests, now: Self.now) == [.refused(.revoked), .refused(.removed)])
        #expect(
            try apply(.redemption(requests[0]), as: 3) == .applied([.redemption(.admitted(isFresh: true))]))
        #expect(try apply(.denial(anna), as: 4) == .applied([.made]))
        #expect(try log.urgentDenials().isEmpty && membership.denied() == [denial])
        #expect(try apply(.allowance(anna), as: 5) == .applied([.made]))
        #expect(try membership.denied().isEmpty)
        let many = try (0..<1_001).map { Denial(key: try person(10_000 + $0).publicKey, since: 1) }
        // What the log says, and what is said again, is nothing new.
        _ = try apply(.denial(ben), as: 6)
        let number = try keyring.sequence()
        #expect(try log.denyUrgently([Denial(key: ben, since: 1)]) == .counts(new: []))
        #expect(try keyring.sequence() == number)
        #expect(
            try log.denyUrgently(Array(many.prefix(500))) == .counts(new: many.prefix(500).map(\.key)))
        // Those count that find a place.
        #expect(try log.denyUrgently(many) == .tooMany(limit: 1_000))
        #expect(try log.urgentDenials() == Array(many.prefix(1_000)))
        #expect(try log.denyUrgently([many[1_000]]) == .tooMany(limit: 1_000))
    }

    @Test(
        "a keyring is imported in parts, again from the beginning where that broke off",
        arguments: [false, true])
    func importing(breaksOff: Bool) throws {
        try membership.setAnnouncers(.members)
        try membership.deny(person(9).publicKey, now: Self.now)
        for number in 0..<700 {
            try membership.add(
                person(1_000 + number).publicKey, label: String(repeating: "m", count: 100), now: Self.now)
        }
        _ = try membership.invites.create(
            label: "", uses: 2, expiry: nil, seed: person(100).seed(), now: Self.now)
        _ = try membership.invites.redeem(inviteKey(100), by: person(3).publicKey, now: Self.now)
        let other = try TestedKeyring(owner: 6)
        let second = Membership(try other.open())
        var index: UInt64 = 0
        var parts = try log.beginImport()
        #expect(parts.count > 1)
        func bring(_ change: PolicyChange) throws {
            index += 1
            let body = PolicyChanges([change], at: Self.now)
            #expect(body.encoded().count <= PolicyChanges.byteCountLimit)
            #expect(try Self.apply([change], index, to: log) == Self.apply([change], index, to: second.log))
        }
        if breaksOff {
            try bring(parts[0])
            #expect(try second.log.state().isImporting && !second.log.state().isImporter)
            let step = try Self.apply([.removal(person(1_000).publicKey)], index + 1, to: log)
            #expect(step == .applied([.importUnderWay]))
            #expect(try Self.apply([.removal(person(1_000).publicKey)], index + 1, to: second.log) == step)
            index += 1
            try bring(.denial(person(8).publicKey))
            parts = try log.beginImport()
            #expect(try log.state().place.index == index)
        }
        for part in parts { try bring(part) }
        #expect(try !log.state().isImporting && !second.log.state().isImporting && !log.state().isImporter)
        #expect(try second.all() == membership.all())
        #expect(try second.invites.all() == membership.invites.all())
        #expect(try second.policy() == membership.policy())
        #expect(Set(try second.denied()) == Set(try membership.denied()))
        // What was removed before stays removed, and what follows comes to the same.
        for change in try [
            PolicyChange.removal(person(3).publicKey),
            .redemption(MemberRequest(invite: inviteKey(100), feed: person(3).publicKey)),
            .redemption(MemberRequest(invite: inviteKey(100), feed: person(4).publicKey)),
        ] {
            try bring(change)
        }
        _ = try TestedKeyring(copying: other).check()
    }

    @Test("urgent denials that no log will say count in full with the first change of a portal run alone")
    func urgentAlone() throws {
        let (anna, ben, invite) = (try person(2).publicKey, try person(3).publicKey, try inviteKey(100))
        _ = try apply(.invite(invite, label: "", uses: 5, expiry: nil), as: 1)
        _ = try apply(.redemption(MemberRequest(invite: invite, feed: anna)), as: 2)
        _ = try log.denyUrgently([Denial(key: anna, since: Self.now)])
        #expect(try log.leave())
        // Others come by what has admitted her no more, nor does she.
        #expect(try membership.invites.redeem(invite, by: ben, now: Self.now) == .refused(.revoked))
        #expect(try membership.denied() == [Denial(key: anna, since: Self.now)])
        #expect(try log.urgentDenials().isEmpty)
        #expect(try membership.undeny(anna) && membership.denied().isEmpty)
        _ = try TestedKeyring(copying: tested).check()
    }

    @Test("who is denied in the midst of an import has admitted nobody more on any machine")
    func deniedWhileImporting() throws {
        for number in 0..<700 {
            try membership.add(
                person(1_000 + number).publicKey, label: String(repeating: "m", count: 100), now: Self.now)
        }
        _ = try membership.invites.create(
            label: "", uses: 9, expiry: nil, seed: person(100).seed(), now: Self.now)
        // Keys go in order: this one is in the last part.
        let keys = try membership.all().map(\.key)
        let anna = try #require(
            keys.max { $0.bytes.array.lexicographicallyPrecedes($1.bytes.array) })
        _ = try membership.invites.redeem(inviteKey(100), by: anna, now: Self.now)
        let second = Membership(try TestedKeyring(owner: 6).open())
        var changes = try log.beginImport()
        changes.insert(.denial(anna), at: 1)
        for (index, change) in changes.enumerated() {
            for one in [log, second.log] {
                try Self.apply([change], UInt64(index) + 1, to: one, at: Self.now + UInt64(index))
            }
        }
        #expect(try membership.invites.all()[0].closing != nil)
        #expect(try second.invites.all() == membership.invites.all())
    }

    @Test("a restored keyring follows no log any more")
    func restored() throws {
        _ = try apply(.denial(person(2).publicKey), as: 1)
        let path = tested.folder + "/backup"
        try keyring.backup(to: path, now: Self.now)
        let other = try TestedKeyring()
        _ = try Restore.run(
            from: path, into: other.folder, owner: other.endpoint, keeping: { _ in true }, now: Self.now)
        let restored = Membership(try other.open()).log
        #expect(try restored.state().isChangedAlone && restored.state().place.index == 1)
        #expect(try !restored.rejoin())
    }
}
