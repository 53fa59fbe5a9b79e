import Account
import TestSupport
import Testing

@Suite("Account")
struct AccountTests {
    @Test("counts what is charged in every account above, until the last reference goes")
    func charges() {
        let pool = Account.bytes(limit: 1 << 20, keepsReserve: false)
        let group = pool.open()
        let leaf = group.open()
        var charge: Charge? = leaf.charge(10_000)
        #expect(pool.heldCount >= 10_000)
        #expect(group.heldCount == pool.heldCount)
        let copy = charge
        charge = nil
        #expect(pool.heldCount >= 10_000)
        #expect(copy?.count == 10_000)
        withExtendedLifetime(copy) {}
    }

    @Test("gives everything back with the last charge, though the account's owner is gone")
    func outlives() {
        let pool = Account.bytes(limit: 1 << 20)
        var charge: Charge?
        do {
            let account = pool.open()
            charge = account.charge(300_000)
        }
        #expect(charge != nil)
        #expect(pool.heldCount >= 300_000)
        #expect(pool.childCount == 1)
        charge = nil
        #expect(pool.heldCount == 0)
        #expect(pool.childCount == 0)
    }

    @Test("holds little ahead when it holds little, however busy it was")
    func shrinks() {
        let pool = Account.bytes(limit: 64 << 20, keepsReserve: false)
        let account = pool.open()
        for _ in 0..<40 { #expect(account.take(256 << 10)) }
        account.release(40 * (256 << 10) - 4096)
        #expect(pool.heldCount <= 3 * 4096)
        account.release(4096)
        #expect(pool.heldCount == 0)
    }

    @Test("refuses the one who is above an equal share, and nobody else")
    func shares() {
        let pool = Account.places(limit: 64)
        let greedy = pool.open()
        var held = 0
        while greedy.take(1) { held += 1 }
        #expect(held == 56)
        for _ in 0..<8 {
            let modest = pool.open()
            #expect(modest.take(1))
            #expect(!greedy.take(1))
            modest.release(1)
        }
        greedy.release(held)
        #expect(pool.heldCount == 0)
    }

    @Test("has room for an account only where all that hold something have it")
    func roomForAll() {
        let pool = Account.bytes(limit: 1 << 20)
        let accounts = (0..<4).map { _ in pool.open() }
        for account in accounts { #expect(account.take(32 << 10)) }
        #expect(accounts[0].hasRoom(for: 150 << 10))
        #expect(!accounts[0].hasRoom(for: 180 << 10), "of 640 KiB that are lent each would want so much")
        for account in accounts { account.release(32 << 10) }
        #expect(!pool.isGettingShort)
    }

    @Test("draws little ahead where there are many")
    func ahead() {
        let pool = Account.bytes(limit: 16 << 20, shareSteps: true)
        let accounts = (0..<500).map { _ in pool.open() }
        for account in accounts { #expect(account.take(10 << 10)) }
        #expect(pool.heldCount <= 500 * (10 << 10) + (1 << 20))
        #expect(pool.isGettingShort)
        for account in accounts { #expect(account.isGettingShort) }
        for account in accounts { account.release(10 << 10) }
        #expect(pool.heldCount == 0)
    }

    @Test("never lends one account more than its own limit")
    func limits() {
        let pool = Account.bytes(limit: 1 << 20, keepsReserve: false)
        let strangers = pool.open(limit: 1 << 19)
        let one = strangers.open(limit: 1 << 18)
        #expect(one.take(1 << 18))
        #expect(!one.take(1))
        let other = strangers.open()
        #expect(other.take(1 << 18))
        #expect(!other.take(1))
        let member = pool.open()
        #expect(member.take(1 << 19))
        for (account, count) in [(one, 1 << 18), (other, 1 << 18), (member, 1 << 19)] {
            account.release(count)
        }
        #expect(pool.heldCount == 0)
    }

    @Test("lets two hundred keys of one invite share as one")
    func nests() {
        let pool = Account.places(limit: 160)
        let invite = pool.open(keepsReserve: true)
        let keys = (0..<200).map { _ in invite.open() }
        var held = 0
        while keys.contains(where: { $0.take(1) }) { held += 1 }
        #expect(held < 160)
        let friend = pool.open()
        var honest = 0
        while honest < 20, friend.take(1) { honest += 1 }
        #expect(honest == 20)
    }

    @Test("converges to equal shares, whoever was first", arguments: 1...4)
    func converges(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let pool = Account.places(limit: 1200)
        let accounts = (0..<5).map { _ in pool.open() }
        var held = Array(repeating: 0, count: 5)
        while accounts[0].take(1) { held[0] += 1 }
        for _ in 0..<200_000 {
            let index = Int.random(in: 0..<5, using: &random)
            // Everybody wants as much as there is; what one holds ends now and then.
            if Int.random(in: 0..<10, using: &random) == 0, held[index] > 0 {
                accounts[index].release(1)
                held[index] -= 1
            } else if accounts[index].take(1) {
                held[index] += 1
            }
        }
        #expect(held.min() ?? 0 >= 150, "\(held)")
        #expect(held.reduce(0, +) <= 1200)
        #expect(pool.heldCount == held.reduce(0, +))
    }

    @Test("names the largest, and weighs a newcomer against it where their ways part")
    func victims() {
        let pool = Account.places(limit: 100, keepsReserve: false)
        let crowd = pool.open()
        let members = (0..<10).map { _ in crowd.open() }
        for member in members { #expect(member.take(3)) }
        let single = pool.open()
        #expect(single.take(20))
        // The crowd as a whole holds more than the one.
        #expect(pool.largestLeafID.map { id in members.contains { $0.id == id } } == true)
        #expect(pool.open().outweighs(members[0]))
        #expect(!members[1].outweighs(members[0]))
        #expect(!single.outweighs(members[0]))
        #expect(pool.contains(single) && !single.contains(pool))
        // Of those that can give way, also where who holds more cannot.
        let last = Set([members[3].id])
        #expect(pool.largestLeafID(where: last.contains) == members[3].id)
        #expect(pool.largestLeafID { $0 == single.id } == single.id)
        #expect(single.largestLeafID { _ in true } == nil)
        #expect(
            single.outweighs(members[0], with: 10, by: 1) && !single.outweighs(members[0], with: 11, by: 1))
    }

    @Test("counts the same whatever is taken, changed and released, on any thread")
    func stress() async {
        let pool = Account.bytes(limit: 8 << 20)
        let group = pool.open(keepsReserve: true)
        await withTaskGroup(of: Void.self) { tasks in
            for seed in 0..<8 {
                tasks.addTask {
                    var random = SeededRandom(seed: UInt64(seed))
                    let account = group.open()
                    var charges: [Charge] = []
                    for _ in 0..<20_000 {
                        switch Int.random(in: 0..<3, using: &random) {
                        case 0:
                            if let charge = account.charge(Int.random(in: 1...200_000, using: &random)) {
                                charges.append(charge)
                            }
                        case 1: if !charges.isEmpty { charges.removeLast() }
                        default: _ = charges.last?.change(to: Int.random(in: 0...300_000, using: &random))
                        }
                        if charges.count > 20 { charges.removeAll() }
                    }
                }
            }
        }
        #expect(pool.heldCount == 0)
        #expect(group.childCount == 0)
    }

    @Test("tells whether there is room for more, without asking for it")
    func room() throws {
        let pool = Account.bytes(limit: 1 << 20, keepsReserve: false)
        let leaf = pool.open()
        let (first, hasRoom) = try #require(leaf.charge(500_000, leaving: 500_000))
        #expect(hasRoom)
        let held = pool.heldCount
        let (second, hasMore) = try #require(leaf.charge(1, leaving: 600_000))
        #expect(!hasMore && pool.heldCount <= held + (256 << 10))
        #expect(leaf.hasRoom(for: (1 << 20) - 500_001))
        #expect(!leaf.hasRoom(for: (1 << 20) - 500_000))
        #expect(leaf.charge(600_000, leaving: 0) == nil)
        withExtendedLifetime((first, second)) {}
    }

    @Test("names the account within which somebody has to give way")
    func contention() {
        let pool = Account.bytes(limit: 1000, keepsReserve: false)
        let strangers = pool.open(limit: 500)
        let (one, other) = (strangers.open(limit: 300), strangers.open())
        let member = pool.open()
        #expect(one.contention(for: 300) == nil)
        #expect(one.contention(for: 301) === one)
        #expect(other.take(400))
        #expect(one.contention(for: 101) === strangers)
        #expect(member.take(600))
        #expect(one.contention(for: 1) === pool)
        #expect(one.largestLeafID == nil && strangers.largestLeafID == other.id)
        other.release(400)
        member.release(600)
    }

    @Test("charges beyond the limit what takes the place of something that was cut")
    func overdraft() {
        let pool = Account.bytes(limit: 1000, keepsReserve: false)
        let (large, small) = (pool.open(), pool.open())
        #expect(large.take(1000) && !small.take(100))
        var charge: Charge? = small.overdraw(100)
        #expect(charge?.count == 100 && pool.heldCount == 1100)
        large.release(1000)
        #expect(large.take(900) && !large.take(1))
        charge?.overdraw(to: 300)
        #expect(charge?.count == 300 && pool.heldCount == 1200)
        charge?.overdraw(to: 50)
        #expect(charge?.count == 50 && small.heldCount <= 100)
        charge = nil
        large.release(900)
        #expect(pool.heldCount == 0)
    }
}
