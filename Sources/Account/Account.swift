internal import Synchronization

/// Who pays for what is held: bytes, places or descriptors, of a pool that is shared fairly.
///
/// Whatever a peer can make us hold is charged before it is held, at what it costs (the capacity of a buffer and its
/// object, not the bytes in use), to the account of the one who causes it. Accounts nest: process, group, key,
/// connection, tunnel. A charge counts in its account and in all above. At a limit the causer alone hears no.
///
/// While there is room an account may have it. When a pool is short, every account may have an equal share of what the
/// account above it may have, and no more; the room of one more share is kept for a newcomer. (Max-min fairness.)
///
/// An account lives as long as somebody holds it, or a ``Charge`` of it. It may be charged and released on any thread.
/// Leaves draw from the pool in steps, so that a busy one seldom touches what it shares with others.
package final class Account: Sendable {
    /// What the accounts of one pool share.
    private final class Pool: Sendable {
        let tree: Mutex<AccountTree>
        let leastStep: Int
        private let limit: Int
        private let steps: ClosedRange<Int>
        private let sharesSteps: Bool
        private let accountCount = Atomic(1)

        init(limit: Int, keepsReserve: Bool, steps: ClosedRange<Int>, sharesSteps: Bool) {
            self.limit = limit
            self.steps = steps
            self.sharesSteps = sharesSteps
            leastStep = steps.lowerBound
            tree = Mutex(AccountTree(limit: limit, keepsReserve: keepsReserve))
        }

        /// How much an account draws ahead at most.
        var greatestStep: Int {
            guard sharesSteps else { return steps.upperBound }
            // An account has up to two steps drawn and not used.
            let part = limit / (32 * accountCount.load(ordering: .relaxed))
            return max(steps.lowerBound, min(steps.upperBound, part))
        }

        func count(_ change: Int) { accountCount.add(change, ordering: .relaxed) }
    }

    /// What was charged here, and what was drawn from the pool for it.
    private struct Drawn {
        var used = 0
        var drawn = 0
    }

    private let pool: Pool
    private let parent: Account?
    private let place: AccountTree.Place
    private let own: Mutex<Drawn>

    private init(pool: Pool, parent: Account?, place: AccountTree.Place) {
        self.pool = pool
        self.parent = parent
        self.place = place
        own = Mutex(Drawn())
    }

    /// A pool of bytes.
    ///
    /// Its accounts draw 4 KiB at first, and up to 256 KiB at a time. With `keepsReserve` an eighth is kept for accounts below
    /// their equal share. Where they `shareSteps` they draw less the more there are, and 4 KiB at the least: what a thousand
    /// have drawn and not used would be missing to all.
    package static func bytes(
        limit: Int, keepsReserve: Bool = true, shareSteps: Bool = false
    ) -> Account {
        Account(
            limit: limit, keepsReserve: keepsReserve, steps: 4 << 10...256 << 10, sharesSteps: shareSteps)
    }

    /// A pool of places: tunnels, sessions, streams, descriptors.
    package static func places(limit: Int, keepsReserve: Bool = true) -> Account {
        Account(limit: limit, keepsReserve: keepsReserve, steps: 1...1, sharesSteps: false)
    }

    private convenience init(limit: Int, keepsReserve: Bool, steps: ClosedRange<Int>, sharesSteps: Bool) {
        self.init(
            pool: Pool(limit: limit, keepsReserve: keepsReserve, steps: steps, sharesSteps: sharesSteps),
            parent: nil, place: AccountTree.root)
    }

    deinit {
        guard parent != nil else { return }
        pool.count(-1)
        pool.tree.withLock { $0.close(place) }
    }

    /// An account below this one, which may never hold more than `limit`.
    package func open(limit: Int = .max, keepsReserve: Bool = false) -> Account {
        pool.count(1)
        let place = pool.tree.withLock { $0.open(in: self.place, limit: limit, keepsReserve: keepsReserve) }
        return Account(pool: pool, parent: self, place: place)
    }

    // MARK: Charging

    /// Charges what is about to be held, at what it costs; `nil` where the account may hold no more.
    ///
    /// What is held goes with the charge, and is released with its last reference.
    package func charge(_ count: Int) -> Charge? { take(count) ? Charge(count, to: self) : nil }

    /// Charges as ``charge(_:)`` does, and says whether `room` more may be charged after it at this moment.
    package func charge(_ count: Int, leaving room: Int) -> (charge: Charge, hasRoom: Bool)? {
        own.withLock { own in
            guard take(count, from: &own) else { return nil }
            return (Charge(count, to: self), hasRoom(for: room, in: own))
        }
    }

    /// Charges what takes the place of something else that was cut and is about to be released, whatever the limits.
    package func overdraw(_ count: Int) -> Charge {
        takeAnyway(count)
        return Charge(count, to: self)
    }

    fileprivate func takeAnyway(_ count: Int) {
        own.withLock { own in
            guard !take(count, from: &own) else { return }
            pool.tree.withLock { $0.overdraw(count, at: place) }
            own.drawn += count
            own.used += count
        }
    }

    /// Charges without a value that stands for it, where the owner keeps its own books; whether it may be held.
    ///
    /// Every `take` that was granted is followed by exactly one ``release(_:)`` of the same count, in whatever parts.
    package func take(_ count: Int) -> Bool { own.withLock { take(count, from: &$0) } }

    private func take(_ count: Int, from own: inout Drawn) -> Bool {
        let missing = own.used + count - own.drawn
        guard missing > 0 else {
            own.used += count
            return true
        }
        // As much again as is used, within the steps: an account that holds little draws little ahead.
        let step = max(missing, min(max(own.used, pool.leastStep), pool.greatestStep))
        let drawn = pool.tree.withLock { tree -> Int in
            if tree.draw(step, at: place) { return step }
            return missing < step && tree.draw(missing, at: place) ? missing : 0
        }
        guard drawn > 0 else { return false }
        own.drawn += drawn
        own.used += count
        return true
    }

    /// Releases what ``take(_:)`` has charged; an account that holds nothing draws nothing.
    package func release(_ count: Int) {
        own.withLock { own in
            precondition(count <= own.used, "only what was taken is released")
            own.used -= count
            // What lies drawn and unused is missing to others; a busy account keeps as much as it uses, up to a step.
            let slack = min(own.used, pool.greatestStep - pool.leastStep)
            guard own.drawn - own.used > 2 * slack else { return }
            pool.tree.withLock { $0.giveBack(own.drawn - own.used - slack, at: place) }
            own.drawn = own.used + slack
        }
    }

    // MARK: Looking

    /// What is held here and below, what was drawn ahead included.
    package var heldCount: Int { pool.tree.withLock { $0.held(by: place) } }

    /// What may be held here and below at this moment; it changes with what others hold.
    package var capacity: Int { pool.tree.withLock { $0.capacity(of: place) } }

    /// Whether a quarter of what may be held is held, here or in an account above.
    ///
    /// What comes ahead of its turn had better be little then.
    package var isGettingShort: Bool { pool.tree.withLock { $0.holds(moreThanOneOf: 4, from: place) } }

    /// Whether that much more may be charged at this moment.
    package func hasRoom(for count: Int) -> Bool { own.withLock { hasRoom(for: count, in: $0) } }

    private func hasRoom(for count: Int, in own: Drawn) -> Bool {
        let missing = count - (own.drawn - own.used)
        return missing <= 0 || pool.tree.withLock { $0.hasRoom(for: missing, at: place) }
    }

    /// The account within which somebody has to give way, so that this one may hold that much more: the first on the
    /// way down from the pool that is at its limit, or in which the next on the way has its share; `nil` while none is.
    package func contention(for count: Int) -> Account? {
        let way = way
        return pool.tree.withLock { tree in
            tree.contention(for: count, on: way.map(\.place)).map { way[$0] }
        }
    }

    /// How many accounts there are right below this one.
    package var childCount: Int { pool.tree.withLock { $0.childCount(of: place) } }

    /// Whether this is the account, or one above it.
    package func contains(_ account: Account) -> Bool {
        var current: Account? = account
        while let candidate = current {
            if candidate === self { return true }
            current = candidate.parent
        }
        return false
    }

    /// What tells this account from the others of its pool, while it lives.
    package var id: Int { place }

    /// The ``id`` of the account that has to give way when this one is full: of those right below the one that holds
    /// most, in it again the one that holds most, down to a leaf; `nil` where nothing is held below.
    package var largestLeafID: Int? { pool.tree.withLock { $0.largestLeaf(below: place) } }

    /// The same among the accounts that can give way, by their ``id``; an account without one below it is passed over.
    ///
    /// The condition is asked while the pool is locked, and may use no account.
    package func largestLeafID(where canGiveWay: (Int) -> Bool) -> Int? {
        pool.tree.withLock { $0.largestLeaf(below: place, where: canGiveWay) }
    }

    /// Whether, of two accounts of one pool, the other is so much larger that it has to give way to this one.
    ///
    /// Compared where their ways part: two keys of one group by what the keys hold, keys of two groups by what the
    /// groups hold. The other has to hold at least `factor` times as much as this one with `count` more.
    package func outweighs(_ other: Account, with count: Int = 1, by factor: Int = 2) -> Bool {
        guard other.pool === pool, let (ownSide, otherSide) = parting(from: other) else { return false }
        return pool.tree.withLock { tree in
            tree.held(by: otherSide.place) >= factor * (tree.held(by: ownSide.place) + count)
        }
    }

    /// The accounts at which the ways to this and another account part; `nil` where one contains the other.
    private func parting(from other: Account) -> (own: Account, other: Account)? {
        let (ownWay, otherWay) = (way, other.way)
        for (own, other) in zip(ownWay, otherWay) where own !== other { return (own, other) }
        return nil
    }

    /// From the pool down to here.
    private var way: [Account] {
        var way: [Account] = []
        var current: Account? = self
        while let account = current {
            way.append(account)
            current = account.parent
        }
        return way.reversed()
    }
}

/// Something held, charged to an account for as long as this value lives; it travels with what is held.
package final class Charge: Sendable {
    private let account: Account
    private let held: Atomic<Int>

    fileprivate init(_ count: Int, to account: Account) {
        self.account = account
        held = Atomic(count)
    }

    deinit { account.release(held.load(ordering: .relaxed)) }

    /// How much is charged.
    package var count: Int { held.load(ordering: .relaxed) }

    /// Charges another count, because what is held grows or shrinks; whether that may be, the old one stands where not.
    ///
    /// One owner at a time calls this.
    package func change(to count: Int) -> Bool {
        let before = held.load(ordering: .relaxed)
        if count > before {
            guard account.take(count - before) else { return false }
        } else {
            account.release(before - count)
        }
        held.store(count, ordering: .relaxed)
        return true
    }

    /// Charges another count whatever the limits, in the place of something that was cut and is about to be released.
    ///
    /// One owner at a time calls this.
    package func overdraw(to count: Int) {
        let before = held.load(ordering: .relaxed)
        if count > before { account.takeAnyway(count - before) } else { account.release(before - count) }
        held.store(count, ordering: .relaxed)
    }
}
