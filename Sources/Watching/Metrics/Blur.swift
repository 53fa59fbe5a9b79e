/// How exactly numbers are shown that tell of people.
///
/// Blurred, a count is rounded up to the next 16, also one that only grows: so nobody reads from one look to the next that
/// somebody came, called or went, rates over hours are right all the same, and the first time that something
/// happens shows at once. Bytes are rounded up to the next MiB.
package enum Blur: Sendable {
    /// For whoever may see the metrics, but not who is there.
    case blurred
    /// For the operator alone.
    case exact

    private static let (peopleStep, byteStep) = (16, 1 << 20)

    /// A count of what people are or do.
    package func people(_ count: Int) -> Int { rounded(count, Self.peopleStep) }

    /// How much people send, or make us hold, in bytes.
    package func bytes(_ count: Int) -> Int { rounded(count, Self.byteStep) }

    private func rounded(_ count: Int, _ step: Int) -> Int {
        switch self {
        case .exact: count
        case .blurred: count > .max - step ? .max / step * step : max(0, (count + step - 1) / step * step)
        }
    }

    /// Counts by kind, each of them there from the beginning, by names as Prometheus has them.
    func counts<Kind: RawRepresentable<String> & CaseIterable & Hashable>(
        _ counts: [Kind: Int]
    ) -> [(String, Double)] {
        Kind.allCases.map { ($0.rawValue.snakeCased, Double(people(counts[$0] ?? 0))) }
    }
}

extension String {
    /// `turnedAway` as `turned_away`.
    fileprivate var snakeCased: String {
        reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : "\($1)" }
    }
}
