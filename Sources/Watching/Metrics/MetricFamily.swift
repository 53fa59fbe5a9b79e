/// All samples of one name, as Prometheus knows them.
///
/// Names follow its conventions: `cway_` and the subject, the unit in its plural at the end, no `_total`, which the
/// exposition adds to counters.
package struct MetricFamily: Equatable, Sendable {
    /// What its numbers do.
    package enum Kind: String, Sendable {
        /// They only grow, from the start of the process on.
        case counter
        /// They go up and down.
        case gauge
        /// How often something took so long.
        case histogram
        /// There is always a 1, and the labels say something.
        case facts
    }

    /// One of its numbers.
    package struct Sample: Equatable, Sendable {
        /// What tells it from the others of its family.
        package let labels: [Label]
        /// The number.
        package let value: Double
    }

    /// A name and what it is here.
    package struct Label: Equatable, Sendable {
        /// The name: letters, digits and underscores.
        package let name: String
        /// Any text.
        package let value: String
    }

    /// How often something took at most so long.
    package struct Buckets: Equatable, Sendable {
        /// The upper bounds in seconds, growing; what is above the last is counted behind them.
        package let bounds: [Double]
        /// How many fell between each bound and the one before, and at last above all.
        package let counts: [Int]
        /// All together, in seconds.
        package let sum: Double

        /// Puts the parts together: one count more than bounds.
        package init(bounds: [Double], counts: [Int], sum: Double) {
            (self.bounds, self.counts, self.sum) = (bounds, counts, sum)
        }
    }

    /// The name without `_total` and `_info`.
    package let name: String
    /// What its numbers do.
    package let kind: Kind
    /// The unit that the name ends with, where it ends with one.
    package let unit: String?
    /// One sentence.
    package let help: String
    /// The numbers; none of a histogram.
    package let samples: [Sample]
    /// Those of a histogram.
    package let buckets: Buckets?

    private init(
        _ name: String, _ kind: Kind, _ help: String, _ samples: [Sample], buckets: Buckets? = nil
    ) {
        (self.name, self.kind, self.help) = (name, kind, help)
        (self.samples, self.buckets) = (samples, buckets)
        unit = ["bytes", "seconds"].first { name.hasSuffix("_\($0)") }
    }

    /// One number that only grows.
    package static func counter(_ name: String, _ help: String, _ value: Double) -> MetricFamily {
        MetricFamily(name, .counter, help, [Sample(labels: [], value: value)])
    }

    /// Numbers that only grow, one for each value of a label.
    package static func counter(
        _ name: String, _ help: String, by label: String, _ values: [(String, Double)]
    ) -> MetricFamily {
        MetricFamily(
            name, .counter, help,
            values.map { Sample(labels: [Label(name: label, value: $0)], value: $1) })
    }

    /// One number that goes up and down.
    package static func gauge(_ name: String, _ help: String, _ value: Double) -> MetricFamily {
        MetricFamily(name, .gauge, help, [Sample(labels: [], value: value)])
    }

    /// Numbers that go up and down, one for each value of a label.
    package static func gauge(
        _ name: String, _ help: String, by label: String, _ values: [(String, Double)]
    ) -> MetricFamily {
        MetricFamily(
            name, .gauge, help, values.map { Sample(labels: [Label(name: label, value: $0)], value: $1) })
    }

    /// How often something took so long.
    package static func histogram(_ name: String, _ help: String, _ buckets: Buckets) -> MetricFamily {
        MetricFamily(name, .histogram, help, [], buckets: buckets)
    }

    /// What its labels say.
    package static func facts(_ name: String, _ help: String, _ labels: [(String, String)]) -> MetricFamily {
        let sample = Sample(labels: labels.map { Label(name: $0, value: $1) }, value: 1)
        return MetricFamily(name, .facts, help, [sample])
    }
}
