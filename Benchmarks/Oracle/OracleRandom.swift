internal import PeerSupport

extension TimeSample {
    /// What a row shows of them, compared with those of a class that is the measure.
    func figures(_ prefix: String, against controls: TimeSample?) -> [Figure] {
        var figures = [
            Figure(prefix + "p50", "ms", part(0.5)), Figure(prefix + "p1", "ms", part(0.01)),
            Figure(prefix + "p99", "ms", part(0.99)), Figure(prefix + "mean", "ms", mean),
        ]
        if let controls {
            figures.append(Figure(prefix + "from controls", "σ", distance(from: controls)))
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
