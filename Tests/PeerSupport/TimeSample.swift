/// Times of one class, in milliseconds.
package struct TimeSample: Sendable {
    /// They, in order.
    package let values: [Double]

    package init(_ values: [Double]) { self.values = values.sorted() }

    package var mean: Double { values.reduce(0, +) / Double(values.count) }

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
    package func rankDistance(from other: TimeSample) -> Double {
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

    /// The time within which so large a part of them lies.
    package func part(_ fraction: Double) -> Double {
        values.isEmpty ? .nan : values[Int(Double(values.count - 1) * fraction)]
    }

    /// How far the means lie apart, in their standard error; above 0 where this one is greater.
    package func distance(from other: TimeSample) -> Double {
        let error = (squaredError + other.squaredError).squareRoot()
        return error > 0 ? (mean - other.mean) / error : 0
    }
}
