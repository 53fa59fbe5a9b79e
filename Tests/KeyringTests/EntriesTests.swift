import Blinding
import Invitation
import Keyring
import TestSupport
import Testing
import TypedSodium

@Suite("Entries")
struct EntriesTests {
    private let tested: TestedKeyring
    private let keyring: Keyring
    private let entries: Entries
    private let now = TestedKeyring.now
    private let day = TestedKeyring.day
    private let today = TestedKeyring.today

    init() throws {
        tested = try TestedKeyring()
        keyring = try tested.open()
        entries = Entries(identity: tested.owner)
    }

    private func tokens() throws -> [PairToken: PublicKey?] {
        entries.tokens(portal: try portal(1).key, epochs: [today])
    }

    @Test("without anybody there are 16 ghosts, the same after opening again")
    func ghosts() throws {
        #expect(try entries.update(from: keyring))
        #expect(try !entries.update(from: keyring))
        #expect(entries.count == 16)
        let tokens = try tokens()
        #expect(tokens.count == 16 && tokens.values.allSatisfy { $0 == nil })
    }

    @Test("both sides compute one token, and nobody else computes any of them")
    func bothSidesAgree() throws {
        for number in 2..<7 { try keyring.friends.admit(person(number).publicKey, services: .all, now: now) }
        try keyring.invite(100)
        _ = try entries.update(from: keyring)
        var random = SeededRandom(seed: 21)
        let place = try portal(1).key
        let epochs = today.window
        let announced = entries.tokens(portal: place, epochs: epochs)
        #expect(announced.count == 16 * 3)
        for number in [2, 3, 4, 5, 6, 100] {
            let pair = try PairKey(friend: person(number), endpoint: tested.endpoint)
            for epoch in epochs {
                let found = announced[pair.token(portal: place, epoch: epoch)]
                #expect(try found == .some(.some(person(number).publicKey)))
            }
            // Another portal, another day, the other direction.
            #expect(announced[pair.token(portal: try portal(2).key, epoch: today)] == nil)
            #expect(announced[pair.token(portal: place, epoch: Epoch(today.number + 2))] == nil)
            let reversed = try PairKey(
                endpoint: person(number), friend: FriendKey(tested.owner.publicKey))
            #expect(announced[reversed.token(portal: place, epoch: today)] == nil)
        }
        for _ in 0..<200 {
            let stranger = try Identity(seed: SecretKey(copying: random.bytes(32).span))
            let pair = try PairKey(friend: stranger, endpoint: tested.endpoint)
            #expect(epochs.allSatisfy { announced[pair.token(portal: place, epoch: $0)] == nil })
        }
    }

    @Test("an entry takes a ghost's place, and leaves one behind: all but one stay as they were")
    func oneChange() throws {
        _ = try entries.update(from: keyring)
        var former = Set(try tokens().keys)
        func expectOneChange(_ body: () throws -> Void) throws {
            try body()
            #expect(try entries.update(from: keyring))
            let current = Set(try tokens().keys)
            #expect(current.count == 16 && current.subtracting(former).count == 1)
            former = current
        }
        try expectOneChange { try keyring.friends.admit(person(2).publicKey, services: .all, now: now) }
        try expectOneChange { try keyring.invite(100) }
        try expectOneChange { _ = try keyring.invites.redeem(100, by: 3) }
        try expectOneChange { try keyring.friends.remove(person(3).publicKey, now: now) }
        try expectOneChange { try keyring.friends.remove(person(2).publicKey, now: now) }
        // What concerns nobody else's entry changes none.
        try keyring.friends.addReach(to: endpointKey(4), portals: [])
        #expect(try !entries.update(from: keyring))
    }

    @Test("a closed invite stays an entry for 7 days, so that its holder can be told")
    func closedInvites() throws {
        try keyring.invite(100)
        let pair = try PairKey(friend: person(100), endpoint: tested.endpoint)
        let token = try pair.token(portal: portal(1).key, epoch: today)
        func isAnnounced() throws -> Bool {
            _ = try entries.update(from: keyring)
            return try tokens()[token] != nil
        }
        _ = try keyring.invites.revoke(inviteKey(100), now: now)
        for days in 0..<7 {
            try keyring.clock.tidy(now: now + UInt64(days) * day)
            #expect(try isAnnounced())
        }
        try keyring.clock.tidy(now: now + 7 * day)
        #expect(try !isAnnounced())
        #expect(entries.count == 16)
    }

    @Test("whatever happens, the number of entries is a multiple of 16 and never shrinks", arguments: 0..<4)
    func neverShrinks(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var count = 16
        var time = now
        for step in 0..<60 {
            let number = 200 + Int.random(in: 0..<40, using: &random)
            switch Int.random(in: 0..<9, using: &random) {
            case 0, 6, 7, 8: try keyring.friends.admit(person(number).publicKey, services: .all, now: time)
            case 1: _ = try? keyring.friends.remove(person(number).publicKey, now: time)
            case 2: try keyring.invite(1_000 + step, InviteDraft(label: "x", uses: 2), now: time)
            case 3:
                _ = try keyring.invites.redeem(
                    1_000 + step - Int.random(in: 0..<8, using: &random), by: number, now: time)
            case 4: _ = try keyring.invites.revoke(inviteKey(1_000 + step - 3), now: time)
            default:
                time += day
                try keyring.clock.tidy(now: time)
            }
            _ = try entries.update(from: keyring)
            #expect(entries.count >= count && entries.count % 16 == 0)
            count = entries.count
        }
        #expect(count > 16, "so that a step was taken")
        // A check compares the number that is written down.
        #expect(try TestedKeyring(copying: tested).check().entryCount == count)
    }

    @Test("nobody becomes an entry beside as many as a portal takes")
    func limit() throws {
        for (count, next) in [(16, 32), (4_079, 4_080), (4_080, 4_096), (4_081, 4_096), (4_095, 4_096)] {
            #expect(try Entries.nextCount(above: count) == next)
        }
        for count in [4_096, 4_097, 5_000, .max] {
            #expect(throws: KeyringError.self) { try Entries.nextCount(above: count) }
        }
    }

    @Test("tokens of all entries differ, at every portal and on every day")
    func distinct() throws {
        for number in 2..<40 { try keyring.friends.admit(person(number).publicKey, services: .all, now: now) }
        _ = try entries.update(from: keyring)
        #expect(entries.count == 48)
        var all: Set<PairToken> = []
        for number in 0..<4 {
            all.formUnion(entries.tokens(portal: try portal(number).key, epochs: today.window).keys)
        }
        #expect(all.count == 48 * 3 * 4)
    }
}
