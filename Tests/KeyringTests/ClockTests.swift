import Blinding
import Keyring
import Multiserver
import Testing
import TypedSodium

/// What a command may do under a clock that is wrong, and how it is mended.
@Suite("Clocks that are ahead")
struct ClockTests {
    private let tested: TestedKeyring
    private let now = TestedKeyring.now
    private let day = TestedKeyring.day
    private let today = TestedKeyring.today

    /// A friend who is reached, and an invite that ends tomorrow.
    init() throws {
        tested = try TestedKeyring()
        let keyring = try tested.open()
        try keyring.friends.admit(person(2).publicKey, name: "anna", services: .all, now: now)
        _ = try keyring.circle.take(grant(generation: 1, key: 7), from: endpointKey(2), now: now)
        try keyring.invite(100, InviteDraft(label: "x", expiry: now + day))
    }

    private func grant(generation: UInt64, key: UInt8, epoch: Epoch = TestedKeyring.today) throws
        -> CircleGrant
    {
        try CircleGrant(
            name: "x", generation: generation, epoch: epoch,
            key: SecretKey(copying: [UInt8](repeating: key, count: 32).span), portals: [portal(1)])
    }

    /// Everything of today still is there: the own address, the friend's, the invite.
    private func expectAll(_ comment: Comment) throws {
        let keyring = try tested.open(for: .changing)
        _ = try keyring.circle.ownAddressing(at: today)
        #expect(try keyring.friends.find(named: "anna")?.reach?.epoch == today, comment)
        #expect(try keyring.invites.all()[0].closing == nil, comment)
        #expect(
            try keyring.invites.redeem(100, by: 3, now: now + day - 1) == .admitted(isFresh: true), comment)
    }

    @Test(
        "a command run under a clock two days ahead throws nothing away",
        arguments: [Keyring.Purpose.reading, .changing])
    func commands(_ purpose: Keyring.Purpose) throws {
        for days: UInt64 in [1, 2, 40] {
            let keyring = try tested.open(now: now + days * day, for: purpose)
            #expect(try keyring.friends.all().count == 1)
            // A portal whose clock is right does not confirm this one.
            let verdict = try keyring.clock.confirm(portalUnixSeconds: now, now: now + days * day + 7_200)
            #expect(verdict == (days > 2 ? .unconfirmed(lastOpened: now) : .confirmed))
        }
        try expectAll("\(purpose)")
    }

    @Test("a command moves keys on once a portal has confirmed the clock, once a day")
    func confirmed() throws {
        let later = now + 2 * day
        let keyring = try tested.open(now: later, for: .changing)
        #expect(try keyring.clock.wantsPortalsWord(now: later))
        #expect(try keyring.friends.find(named: "anna")?.reach?.epoch == today)
        #expect(try keyring.clock.confirm(portalUnixSeconds: later - 60, now: later) == .confirmed)
        #expect(try keyring.friends.find(named: "anna")?.reach?.epoch == today.next)
        #expect(try keyring.invites.all()[0].closing?.reason == .expired)
        #expect(try !keyring.clock.wantsPortalsWord(now: later))
    }

    @Test("who only looks is not asked for the time, and neither is who serves by a clock that is right")
    func unasked() throws {
        #expect(
            try !tested.open(now: now + 9 * day, for: .reading).clock.wantsPortalsWord(now: now + 9 * day))
        #expect(try !tested.open(now: now + day).clock.wantsPortalsWord(now: now + day))
    }

    @Test("keys that were moved on too far are replaced where a portal vouches for the clock")
    func replaced() throws {
        do { _ = try tested.open(now: now + 2 * day) }
        let keyring = try tested.open(for: .changing)
        let tomorrow = try #require(today.next)
        #expect(throws: KeyringError.wrongClock(today: today, key: tomorrow)) {
            _ = try keyring.circle.ownAddressing(at: today)
        }
        let later = try keyring.circle.laterKeys(now: now)
        #expect(later.own == tomorrow && later.friends.map(\.name) == ["anna"])
        #expect(try !keyring.circle.replaceLaterKeys(now: now))
        #expect(try keyring.circle.laterKeys(now: now) == later)
        _ = try keyring.clock.confirm(portalUnixSeconds: now + 100, now: now)
        let generation = try keyring.circle.generation()
        #expect(try keyring.circle.replaceLaterKeys(now: now))
        #expect(try keyring.circle.laterKeys(now: now).isEmpty && keyring.circle.generation() > generation)
        _ = try keyring.circle.ownAddressing(at: today)
        #expect(try keyring.friends.find(named: "anna")?.reach?.generation == nil)
        #expect(
            try keyring.circle.take(grant(generation: 1, key: 7), from: endpointKey(2), now: now) == .taken)
    }

    @Test("a friend's key that was moved on too far gives way to the same generation's of today")
    func taken() throws {
        let keyring = try tested.open(now: now + 2 * day)
        #expect(try keyring.friends.find(named: "anna")?.reach?.epoch == today.next)
        #expect(
            try keyring.circle.take(grant(generation: 1, key: 7), from: endpointKey(2), now: now) == .taken)
        #expect(try keyring.friends.find(named: "anna")?.reach?.epoch == today)
        #expect(
            try keyring.circle.take(grant(generation: 1, key: 7), from: endpointKey(2), now: now) == .kept)
        // One that tells today is kept, whatever else the generation's grant says.
        let before = try grant(generation: 1, key: 6, epoch: #require(today.previous))
        #expect(try keyring.circle.take(before, from: endpointKey(2), now: now) == .kept)
    }
}
