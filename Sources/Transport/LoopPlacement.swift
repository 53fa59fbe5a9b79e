/// Which of several event loops the next connection goes to.
///
/// Two connections with a tunnel between them are best on one loop: between two, every packet waits for another thread to
/// wake. So one loop is filled until it is busy, or has many connections more than another, which may all be busy one
/// day; then it is the next one's turn.
struct LoopPlacement: Sendable {
    /// From which share of its last second on a loop is busy.
    static let busyShare = 0.5
    /// Below which share it is quiet again, so that a loop in front of the present one is preferred.
    static let quietShare = 0.25
    /// How many connections more than the emptiest a loop may have before the next one is filled.
    static let surplus = 32

    /// How many connections each loop has.
    private(set) var counts: [Int]
    /// Where the next connection goes.
    private(set) var current = 0

    init(loopCount: Int) { counts = Array(repeating: 0, count: loopCount) }

    /// A connection has come to a loop; `share` tells how busy each is.
    mutating func joined(_ loop: Int, share: (Int) -> Double) {
        counts[loop] += 1
        guard let least = counts.min(), counts.count > 1 else { return }
        let quiet = counts.indices.prefix(current).first {
            counts[$0] < least + Self.surplus / 2 && share($0) < Self.quietShare
        }
        if let quiet {
            current = quiet
        } else if counts[current] >= least + Self.surplus || share(current) >= Self.busyShare {
            current = next(least: least, share)
        }
    }

    /// A connection of a loop is gone.
    mutating func left(_ loop: Int) { counts[loop] -= 1 }

    /// The first that is neither full nor busy; where all are busy, the least busy one.
    private func next(least: Int, _ share: (Int) -> Double) -> Int {
        let shares = counts.indices.map(share)
        let roomy = counts.indices.filter { counts[$0] < least + Self.surplus }
        return roomy.first { shares[$0] < Self.busyShare }
            ?? roomy.min { shares[$0] < shares[$1] } ?? current
    }
}
