import TestSupport

/// Random lengths of pieces, from a seed.
final class SplitLengths {
    private var random: SeededRandom
    private let most: Int

    init(seed: UInt64, most: Int) {
        random = SeededRandom(seed: seed)
        self.most = most
    }

    func next() -> Int { Int.random(in: 1...most, using: &random) }
}

extension SeededRandom {
    /// That many bytes of a seed.
    static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededRandom(seed: seed)
        return random.bytes(count)
    }
}
