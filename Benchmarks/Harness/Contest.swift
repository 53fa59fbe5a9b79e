internal import Histogram

/// One way of doing the work.
protocol Contender: AnyObject {
    /// Does a batch, the same number of operations every time.
    func performBatch() throws
}

/// A way that has to make ready for each batch, which does not count.
protocol PreparedContender: Contender {
    /// Makes ready.
    func prepareBatch() throws
}

/// The same work done in several ways, in turns, so that the machine's drift meets all alike.
struct Contest {
    /// What the turns of one contender were like.
    struct Score {
        /// The median nanoseconds per operation of each round.
        var rounds: [Double] = []
        /// The nanoseconds of every batch.
        fileprivate var batches = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        fileprivate let operationsPerBatch: Int

        fileprivate init(operationsPerBatch: Int) { self.operationsPerBatch = operationsPerBatch }

        /// The median over all rounds, in nanoseconds per operation.
        var median: Double { rounds.median }
        /// What all but one of a hundred batches did not exceed, in nanoseconds per operation.
        var p99: Double { Double(batches.valueAtPercentile(99)) / Double(operationsPerBatch) }
    }

    /// How many operations make a batch: enough to be timed, few enough to stay in the cache.
    var operationsPerBatch: Int
    /// Who takes part.
    var contenders: [any Contender]

    /// Lets everyone work for a turn in each round.
    ///
    /// - Returns: the contenders' scores in their order.
    func run(rounds: Int, turn: Duration) throws -> [Score] {
        var scores = contenders.map { _ in Score(operationsPerBatch: operationsPerBatch) }
        for round in 0..<rounds {
            // Who begins changes: the later ones find a higher clock.
            for step in contenders.indices {
                let index = (step + round) % contenders.count
                let batches = try measure(contenders[index], for: turn)
                scores[index].rounds.append(Double(batches.median) / Double(operationsPerBatch))
                scores[index].batches.add(batches)
            }
        }
        return scores
    }

    /// The nanoseconds of each batch of one turn.
    private func measure(_ contender: any Contender, for turn: Duration) throws -> Histogram<UInt64> {
        var batches = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        let clock = ContinuousClock()
        let prepared = contender as? any PreparedContender
        try prepared?.prepareBatch()
        try contender.performBatch()  // warms up after the other's turn
        let end = clock.now + turn
        var after = clock.now
        repeat {
            try prepared?.prepareBatch()
            let before = prepared == nil ? after : clock.now
            try contender.performBatch()
            after = clock.now
            batches.record((after - before).wholeNanoseconds)
        } while after < end
        return batches
    }
}

extension Duration {
    /// In nanoseconds, at least 0.
    var wholeNanoseconds: UInt64 {
        UInt64(max(0, components.seconds)) * 1_000_000_000 + UInt64(max(0, components.attoseconds))
            / 1_000_000_000
    }

    /// In seconds.
    var inSeconds: Double { self / .seconds(1) }
}
