/// Times of one class.
struct OracleSample {
    let values: [Double]

    init(_ values: [Double]) { self.values = values.sorted() }

    private var mean: Double { values.reduce(0, +) / Double(values.count) }

    /// The square of the mean's standard error.
    private var squaredError: Double {
        let mean = mean
        let sum = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return sum / Double(max(1, values.count - 1)) / Double(max(1, values.count))
    }

    /// How far this class and the other lie apart by the ranks of their times, in standard deviations; above 0 where
    /// this one takes longer.
    ///
    /// Mann and Whitney's U, approximated by the normal distribution, with the correction for ties. A few times that are
    /// very long, as on a machine that does something else, count as no more than long.
    func rankDistance(from other: OracleSample) -> Double {
        let (own, others) = (Double(values.count), Double(other.values.count))
        guard own > 0, others > 0 else { return 0 }
        var (index, otherIndex, rank, rankSum, ties) = (0, 0, 0.0, 0.0, 0.0)
        while index < values.count || otherIndex < other.values.count {
            let next = min(
                index < values.count ? values[index] : .infinity,
                otherIndex < other.values.count ? other.values[otherIndex] : .infinity)
            let (start, otherStart) = (index, otherIndex)
            while index < values.count, values[index] <= next { index += 1 }
            while otherIndex < other.values.count, other.values[otherIndex] <= next { otherIndex += 1 }
            let (ownTied, tied) = (Double(index - start), Double(index - start + otherIndex - otherStart))
            guard tied > 0 else { return .nan }  // a time that is no number
            rankSum += ownTied * (rank + (tied + 1) / 2)
            rank += tied
            ties += tied * (tied * tied - 1)
        }
        let all = own + others
        let difference = rankSum - own * (own + 1) / 2 - own * others / 2
        let variance = own * others / 12 * (all + 1 - ties / (all * (all - 1)))
        return variance > 0 ? difference / variance.squareRoot() : 0
    }

    private func part(_ fraction: Double) -> Double {
        values.isEmpty ? .nan : values[Int(Double(values.count - 1) * fraction)]
    }

    func figures(_ prefix: String, against controls: OracleSample?) -> [Figure] {
        var figures = [
            Figure(prefix + "p50", "ms", part(0.5)), Figure(prefix + "p1", "ms", part(0.01)),
            Figure(prefix + "p99", "ms", part(0.99)), Figure(prefix + "mean", "ms", mean),
        ]
        if let controls {
            let error = (squaredError + controls.squaredError).squareRoot()
            figures.append(
                Figure(prefix + "from controls", "σ", error > 0 ? (mean - controls.mean) / error : 0))
            figures.append(Figure(prefix + "by ranks", "z", rankDistance(from: controls)))
        }
        return figures
    }
}

/// Random numbers that are the same in every run (SplitMix64).
struct OracleRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }
}
