package import NIOCore

/// Writes metrics as Prometheus reads them.
///
/// Sources: Prometheus, "Exposition formats" (text format 0.0.4); OpenMetrics 1.0.0.
package struct Exposition {
    private let format: MetricsFormat
    private var output: ByteBuffer

    /// All families in a format.
    package static func text(of families: [MetricFamily], as format: MetricsFormat) -> ByteBuffer {
        var exposition = Exposition(format: format, output: ByteBuffer())
        exposition.output.reserveCapacity(families.count * 320)
        for family in families { exposition.write(family) }
        if format == .openMetrics { exposition.output.writeString("# EOF\n") }
        return exposition.output
    }

    private mutating func write(_ family: MetricFamily) {
        let isOpen = format == .openMetrics
        let (name, kind) =
            switch (family.kind, isOpen) {
            case (.facts, true): (family.name, "info")
            case (.facts, false): ("\(family.name)_info", "gauge")
            case (.counter, false): ("\(family.name)_total", "counter")
            case (let kind, _): (family.name, kind.rawValue)
            }
        output.writeString("# HELP \(name) \(Self.escaped(family.help, quotes: isOpen))\n")
        output.writeString("# TYPE \(name) \(kind)\n")
        if isOpen, let unit = family.unit { output.writeString("# UNIT \(name) \(unit)\n") }
        if let buckets = family.buckets { return write(buckets, of: family.name) }
        let suffix =
            switch family.kind {
            case .counter: "_total"
            case .facts: "_info"
            case .gauge, .histogram: ""
            }
        for sample in family.samples { write(family.name + suffix, sample.labels, sample.value) }
    }

    private mutating func write(_ buckets: MetricFamily.Buckets, of name: String) {
        var count = 0
        for (bound, here) in zip(buckets.bounds.map { "\($0)" } + ["+Inf"], buckets.counts) {
            count += here
            write("\(name)_bucket", [MetricFamily.Label(name: "le", value: bound)], Double(count))
        }
        write("\(name)_count", [], Double(count))
        write("\(name)_sum", [], buckets.sum)
    }

    private mutating func write(_ name: String, _ labels: [MetricFamily.Label], _ value: Double) {
        output.writeString(name)
        if !labels.isEmpty {
            let pairs = labels.map { "\($0.name)=\"\(Self.escaped($0.value, quotes: true))\"" }
            output.writeString("{\(pairs.joined(separator: ","))}")
        }
        output.writeString(" \(Self.number(value))\n")
    }

    /// Whole numbers without a fraction: they are exact up to 2⁵³.
    private static func number(_ value: Double) -> String {
        value.rounded() == value && abs(value) < 0x1p53 ? "\(Int(value))" : "\(value)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        text.reduce(into: "") { escaped, character in
            switch character {
            case "\\": escaped += "\\\\"
            case "\n", "\r\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.append(character)
            }
        }
    }
}
