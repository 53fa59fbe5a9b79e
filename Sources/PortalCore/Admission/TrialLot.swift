internal import Account
internal import NIOCore

/// The connections that have no place and are tried all the same, because one of them may be a member's.
///
/// A connection that has sent the first message of its handshake takes part in a draw, so often a second in the process. A value
/// without clock; what is random is given to it.
struct TrialLot {
    /// How many are drawn in a second.
    static let drawsPerSecond = 20.0

    private let limit: Int
    private var rate: Rate
    private var random: any RandomNumberGenerator & Sendable
    /// Who has not sent the first message yet, oldest first.
    private var silent: [Int] = []
    private var waiting: [Int] = []
    private var drawn: Set<Int> = []

    /// Nobody is on trial, and never more than `limit`.
    init(limit: Int, random: any RandomNumberGenerator & Sendable, at now: NIODeadline) {
        self.limit = limit
        self.random = random
        rate = Rate(perSecond: Self.drawsPerSecond, burst: 1, at: now)
    }

    /// How many are on trial.
    var count: Int { silent.count + waiting.count + drawn.count }

    /// Takes a connection on; who has to go for it where there are too many, perhaps itself.
    ///
    /// That is the one that has been silent longest, otherwise one that waits, by lot.
    mutating func enter(_ number: Int) -> Int? {
        guard count >= limit else {
            silent.append(number)
            return nil
        }
        if !silent.isEmpty {
            silent.append(number)
            return silent.removeFirst()
        }
        guard !waiting.isEmpty else { return number }
        silent.append(number)
        return removeAnyWaiting()
    }

    /// The first message of a connection is here: it takes part in the draw from now on.
    mutating func spoke(_ number: Int) {
        guard let index = silent.firstIndex(of: number) else { return }
        silent.remove(at: index)
        waiting.append(number)
    }

    /// Draws one, where somebody waits and it is time.
    mutating func draw(at now: NIODeadline) -> Int? {
        guard !waiting.isEmpty, rate.take(at: now) else { return nil }
        let number = removeAnyWaiting()
        drawn.insert(number)
        return number
    }

    /// When the next one is drawn; `nil` while nobody waits.
    var nextDraw: NIODeadline? { waiting.isEmpty ? nil : rate.ready() }

    /// A connection is on trial no more.
    mutating func leave(_ number: Int) {
        guard drawn.remove(number) == nil else { return }
        if let index = waiting.firstIndex(of: number) {
            _ = remove(waitingAt: index)
        } else if let index = silent.firstIndex(of: number) {
            silent.remove(at: index)
        }
    }

    private mutating func removeAnyWaiting() -> Int {
        // Of 2⁶⁴ numbers and a few hundred places: none is likelier than another by more than nothing.
        remove(waitingAt: Int(random.next() % UInt64(waiting.count)))
    }

    private mutating func remove(waitingAt index: Int) -> Int {
        waiting.swapAt(index, waiting.count - 1)
        return waiting.removeLast()
    }
}
