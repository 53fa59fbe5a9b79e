import Blinding
import Invitation
import Keyring
import Multiserver
import Testing
import TypedSodium

@Suite("The circle")
struct CircleTests {
    private let tested: TestedKeyring
    private let now = TestedKeyring.now
    private let day = TestedKeyring.day
    private let today = TestedKeyring.today

    init() throws { tested = try TestedKeyring() }

    /// A chain key some days on.
    private func advanced(_ key: [UInt8], by days: UInt64) throws -> [UInt8] {
        bytes(
            try ChainKey.advance(
                SecretKey(copying: key.span), from: Epoch(0), to: Epoch(days)))
    }

    @Test("a grant carries today's key on the first day, and yesterday's on later ones")
    func grants() throws {
        let keyring = try tested.open()
        for number in 0..<10 { try keyring.portals.add(portal(number), now: now + UInt64(number)) }
        let first = try keyring.circle.grant(name: "home", now: now)
        #expect(first.name == "home" && first.epoch == today && first.generation == now * 1000)
        #expect(try first.portals == (0..<8).map { try portal($0) })
        let next = try keyring.circle.grant(name: "home", now: now + day)
        #expect(next.epoch == today && next.keyBytes == first.keyBytes)
        let third = try keyring.circle.grant(name: "home", now: now + 2 * day)
        #expect(try third.epoch == today.next && third.keyBytes == advanced(first.keyBytes, by: 1))
        #expect(throws: KeyringError.badNodeName) { _ = try keyring.circle.grant(name: "", now: now) }
    }

    @Test("opening and tidying wipe the keys of days before yesterday")
    func advances() throws {
        let first = try tested.open().circle.grant(name: "x", now: now).keyBytes
        let keyring = try tested.open(now: now + 2 * day)
        #expect(throws: KeyringError.wrongClock(today: today, key: Epoch(today.number + 1))) {
            _ = try keyring.circle.ownAddressing(at: today)
        }
        for days in 3...5 {
            try keyring.clock.tidy(now: now + UInt64(days) * day)
            let grant = try keyring.circle.grant(name: "x", now: now + UInt64(days) * day)
            #expect(try grant.keyBytes == advanced(first, by: UInt64(days) - 1))
            #expect(throws: KeyringError.self) {
                _ = try keyring.circle.ownAddressing(at: Epoch(today.number + UInt64(days) - 2))
            }
        }
        #expect(keyring.clock.verdict == .confirmed)
    }

    @Test("friends' keys are advanced too, and still tell the same days")
    func advancesFriends() throws {
        let friends = try TestedKeyring(owner: 2)
        let theirs = try friends.open()
        try theirs.portals.add(portal(1), now: now)
        let keyring = try tested.open()
        try keyring.friends.admit(person(2).publicKey, name: "anna", services: .all, now: now)
        #expect(
            try keyring.circle.take(
                theirs.circle.grant(name: "x", now: now), from: friends.endpoint, now: now) == .taken)
        for days in 0...6 {
            let later = now + UInt64(days) * day
            try keyring.clock.tidy(now: later)
            try theirs.clock.tidy(now: later)
            let addressing = try theirs.circle.ownAddressing(at: Epoch(unixSeconds: later))
            let value = try addressing.sealedValue(target: friends.endpoint, portal: portal(1).key)
            #expect(try keyring.circle.resolve(.sealed(value.bytes), now: later)?.portal == portal(1))
            let epoch = try #require(try keyring.friends.find(named: "anna")?.reach?.epoch)
            #expect(epoch.number + 1 >= Epoch(unixSeconds: later).number)
        }
    }

    @Test("removing a friend begins a generation; removing somebody who was never let in does not")
    func removing() throws {
        let keyring = try tested.open()
        let before = try keyring.circle.grant(name: "x", now: now)
        try keyring.friends.addReach(to: endpointKey(3), portals: [])
        try keyring.friends.remove(person(3).publicKey, now: now)
        #expect(try keyring.circle.generation() == before.generation)
        try keyring.friends.admit(person(2).publicKey, services: .all, now: now)
        try keyring.friends.remove(person(2).publicKey, now: now)
        let after = try keyring.circle.grant(name: "x", now: now)
        #expect(after.generation == before.generation + 1 && after.keyBytes != before.keyBytes)
        try keyring.friends.admit(person(2).publicKey, services: .all, now: now)
        try keyring.friends.remove(person(2).publicKey, now: now + 60)
        #expect(try keyring.circle.generation() == (now + 60) * 1000)
    }

    @Test("a friend is given the key, and from its removal on nobody is who is not let in")
    func grantsFriendsOnly() throws {
        let keyring = try tested.open()
        let (anna, stranger) = (try person(2).publicKey, try person(3).publicKey)
        try keyring.friends.admit(anna, services: .all, now: now)
        try keyring.friends.addReach(to: EndpointKey(stranger), portals: [])
        let key = try keyring.circle.grant(name: "x", now: now).keyBytes
        #expect(try keyring.circle.grant(name: "x", to: anna, now: now).keyBytes == key)
        try keyring.friends.remove(anna, now: now)
        for nobody in [anna, stranger, try person(4).publicKey] {
            #expect(throws: KeyringError.noSuchFriend) {
                _ = try keyring.circle.grant(name: "x", to: nobody, now: now)
            }
        }
    }

    @Test("a jump of more than two days either way is in doubt until a portal agrees within a day")
    func jumps() throws {
        let original = try tested.open().circle.grant(name: "x", now: now).keyBytes
        for jump: Int64 in [-3, -2 * 1, 2, 3] {
            let copy = try TestedKeyring(copying: tested)
            let later = UInt64(Int64(now) + jump * Int64(day))
            let keyring = try copy.open(now: later)
            let isDoubtful = abs(jump) > 2
            #expect(keyring.clock.verdict == (isDoubtful ? .unconfirmed(lastOpened: now) : .confirmed))
            guard isDoubtful else { continue }
            // Nothing is wiped while the clock is in doubt.
            #expect(try keyring.circle.grant(name: "x", now: now).keyBytes == original)
            for wrong in [later - day - 1, later + day + 1] {
                #expect(try keyring.clock.confirm(portalUnixSeconds: wrong, now: later) != .confirmed)
            }
            #expect(try keyring.clock.confirm(portalUnixSeconds: later - day, now: later) == .confirmed)
            let grant = try keyring.circle.grant(name: "x", now: later)
            #expect((grant.keyBytes == original) == false)
            #expect(try copyOpens(copy, keyring, at: later))
        }
    }

    @Test("a jump counts from the last opening of a day, not from its first")
    func usedAllDay() throws {
        for hours: UInt64 in 0...9 { _ = try tested.open(now: now + hours * 3_600) }
        #expect(try tested.open(now: now + 2 * day + 60).clock.verdict == .confirmed)
        let copy = try TestedKeyring()
        _ = try copy.open()
        #expect(try copy.open(now: now + 2 * day + 60).clock.verdict == .unconfirmed(lastOpened: now))
    }

    /// Whether a keyring that was confirmed opens without doubt the next time.
    private func copyOpens(_ copy: TestedKeyring, _ keyring: Keyring, at time: UInt64) throws -> Bool {
        try keyring.clock.tidy(now: time)
        return keyring.clock.verdict == .confirmed
    }

    @Test("a generation that began while the clock was wrong gives way to one of today")
    func wrongGeneration() throws {
        try tested.open().friends.admit(person(2).publicKey, services: .all, now: now)
        let far = now + 400 * day
        do {
            let keyring = try tested.open(now: far)
            try keyring.friends.remove(person(2).publicKey, now: far)
            #expect(throws: KeyringError.wrongClock(today: today, key: Epoch(unixSeconds: far))) {
                _ = try keyring.circle.grant(name: "x", now: now)
            }
        }
        let keyring = try tested.open()
        #expect(keyring.clock.verdict == .confirmed)
        let grant = try keyring.circle.grant(name: "x", now: now)
        #expect(grant.epoch == today && grant.generation == far * 1000 + 1)
    }

    @Test("an invite does not expire while the clock is in doubt")
    func doubtfulExpiry() throws {
        try tested.open().invite(100, InviteDraft(label: "x", expiry: now + day))
        let keyring = try tested.open(now: now + 400 * day)
        #expect(try keyring.invites.all()[0].closing == nil)
        #expect(try keyring.invites.redeem(100, by: 2, now: now + 400 * day) == .refused(.expired))
        try keyring.clock.trust(now: now + 400 * day)
        #expect(try keyring.invites.all()[0].closing?.reason == .expired)
    }

    @Test("whoever is trusted is not asked")
    func trusted() throws {
        _ = try tested.open()
        let keyring = try tested.open(now: now + 10 * day, trustsClock: true)
        #expect(keyring.clock.verdict == .confirmed)
        #expect(try keyring.circle.grant(name: "x", now: now + 10 * day).epoch.number == today.number + 9)
    }

    @Test(
        "a key that cannot be advanced is replaced: the owner's by a new generation, a friend's by asking again"
    )
    func tooFar() throws {
        for days: Int64 in [3_700, -30] {
            let folder = try TestedKeyring()
            do {
                let keyring = try folder.open()
                try keyring.friends.admit(person(2).publicKey, name: "anna", services: .all, now: now)
                let grant = try CircleGrant(
                    name: "x", generation: 1, epoch: today, key: SecretKey.random(), portals: [portal(1)])
                _ = try keyring.circle.take(grant, from: endpointKey(2), now: now)
            }
            let before = try folder.open().circle.grant(name: "x", now: now)
            let later = UInt64(Int64(now) + days * Int64(day))
            let keyring = try folder.open(now: later, trustsClock: true)
            let after = try keyring.circle.grant(name: "x", now: later)
            #expect(after.generation > before.generation && after.epoch == Epoch(unixSeconds: later))
            let reach = try #require(try keyring.friends.find(named: "anna")?.reach)
            #expect(try reach.generation == nil && reach.portals == [portal(1)])
        }
    }

    @Test("a ping is understood in milliseconds and in microseconds")
    func pings() {
        #expect(ClockVerdict.unixSeconds(inPing: 1_700_000_000_123) == 1_700_000_000)
        #expect(ClockVerdict.unixSeconds(inPing: 1_700_000_000_123_456) == 1_700_000_000)
        #expect(ClockVerdict.unixSeconds(inPing: 0) == 0 && ClockVerdict.unixSeconds(inPing: .max) > 0)
    }
}
