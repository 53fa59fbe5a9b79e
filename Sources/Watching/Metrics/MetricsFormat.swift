/// A form in which metrics are read.
package enum MetricsFormat: Equatable, Sendable {
    /// Prometheus' text format 0.0.4.
    case text
    /// OpenMetrics 1.0.0.
    case openMetrics

    /// How many media ranges of a request are looked at.
    private static let rangeLimit = 32

    /// What stands in the answer's head.
    package var contentType: String {
        switch self {
        case .text: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// The format that `Accept` prefers: text where it has no preference, and where it wants neither.
    ///
    /// The most specific range decides about each format, and its `q` says how much it is wanted.
    /// Source: RFC 9110, section 12.5.1.
    package init(accepting header: String?) {
        let ranges = (header ?? "").split(separator: ",").prefix(Self.rangeLimit).compactMap(MediaRange.init)
        let weights = [Self.text, .openMetrics].map { format in
            ranges.compactMap { range in range.specificity(for: format).map { ($0, range.weight) } }
                .max { $0.0 < $1.0 }?.1 ?? 0
        }
        self = weights[1] > weights[0] ? .openMetrics : .text
    }
}

/// One of the media ranges of an `Accept` header.
private struct MediaRange {
    let weight: Double
    private let type: String
    private let version: String?

    init?(_ text: Substring) {
        let parts = text.split(separator: ";").map { $0.trimmingSpaces.lowercased() }
        guard let type = parts.first else { return nil }
        self.type = type
        var (weight, version): (Double, String?) = (1, nil)
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1).map(\.trimmingSpaces)
            guard pair.count == 2 else { continue }
            switch pair[0] {
            case "q":
                guard let number = Double(pair[1]), (0...1).contains(number) else { return nil }
                weight = number
            case "version": version = String(pair[1].filter { $0 != "\"" })
            default: break
            }
        }
        (self.weight, self.version) = (weight, version)
    }

    /// How closely it describes a format; `nil` for another one.
    func specificity(for format: MetricsFormat) -> Int? {
        let (name, major, own) =
            switch format {
            case .text: ("text/plain", "text/*", "0.0.4")
            case .openMetrics: ("application/openmetrics-text", "application/*", "1.0.0")
            }
        switch type {
        case "*/*": return 0
        case major: return 1
        case name: return version == nil ? 2 : version == own ? 3 : nil
        default: return nil
        }
    }
}

extension StringProtocol {
    /// Without the spaces and tabs around it.
    var trimmingSpaces: String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let front = drop(while: isSpace)
        return String(front.prefix(front.count - front.reversed().prefix(while: isSpace).count))
    }
}
