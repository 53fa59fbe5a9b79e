internal import Histogram

/// One way of doing the work.
protocol Contender: AnyObject {
    /// Does a batch, the same number of operations every time.
    func performBatch() throws
}

/// The same work done in two ways, in turns, so that the machine's drift meets both alike.
struct Contest {
    /// What is done.
    var name: String
    /// How many bytes of payload one operation handles.
    var byteCount: Int
    /// How many operations make a batch: enough to be timed, few enough to stay in the cache.
    var operationsPerBatch: Int
    /// Our way.
    var ours: any Contender
    /// The other way, and what its columns are called.
    var reference: (name: String, contender: any Contender)

    /// Measures: each contender's median batch per round, and their ratio within each round.
    func run(_ plan: Plan) throws -> Row {
        let turn = plan.durationPerRow / (2 * plan.rounds)
        var (ourRounds, referenceRounds): ([Double], [Double]) = ([], [])
        var distribution = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        for round in 0..<plan.rounds {
            // Who begins alternates: the second finds warmer caches and a higher clock.
            let order: [any Contender] = [ours, reference.contender]
            var medians: [ObjectIdentifier: Double] = [:]
            for contender in round.isMultiple(of: 2) ? order : order.reversed() {
                let batches = try measure(contender, for: turn)
                medians[ObjectIdentifier(contender)] = perOperation(batches.median)
                if contender === ours { distribution.add(batches) }
            }
            ourRounds.append(medians[ObjectIdentifier(ours)] ?? .nan)
            referenceRounds.append(medians[ObjectIdentifier(reference.contender)] ?? .nan)
        }
        let speedups = zip(referenceRounds, ourRounds).map { $0 / $1 }.sorted()
        let (ourMedian, referenceMedian) = (median(ourRounds), median(referenceRounds))
        return Row(
            name: name,
            figures: [
                Figure(name: "ours", unit: "ns", value: ourMedian),
                Figure(name: "p99", unit: "ns", value: perOperation(distribution.valueAtPercentile(99))),
                Figure(name: reference.name, unit: "ns", value: referenceMedian),
                Figure(name: "ours", unit: "GB/s", value: Double(byteCount) / ourMedian),
                Figure(name: reference.name, unit: "GB/s", value: Double(byteCount) / referenceMedian),
                Figure(name: "times faster", unit: "", value: median(speedups)),
                Figure(name: "min", unit: "", value: speedups.first ?? .nan),
                Figure(name: "max", unit: "", value: speedups.last ?? .nan),
            ])
    }

    /// The nanoseconds of each batch of one turn.
    private func measure(_ contender: any Contender, for turn: Duration) throws -> Histogram<UInt64> {
        var batches = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        let clock = ContinuousClock()
        try contender.performBatch()  // warms up after the other's turn
        let end = clock.now + turn
        var before = clock.now
        repeat {
            try contender.performBatch()
            let after = clock.now
            batches.record(nanoseconds(after - before))
            before = after
        } while before < end
        return batches
    }

    private func perOperation(_ nanoseconds: UInt64) -> Double {
        Double(nanoseconds) / Double(operationsPerBatch)
    }

    private func nanoseconds(_ duration: Duration) -> UInt64 {
        let (seconds, attoseconds) = duration.components
        return UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(max(0, attoseconds)) / 1_000_000_000
    }

    private func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}
