/// A small plot of the last hour: a line, and in words what it says.
struct Plot {
    private static let (width, height) = (240, 44)

    let title: String
    /// The newest last.
    let values: [Double]
    /// A value in words, with its unit.
    let words: (Double) -> String

    var html: HTML {
        .element(.figure, ["class": "plot"]) {
            HTML.element(.figcaption) { HTML.element(.strong) { title } }
            if let now = values.last, let top = values.max() {
                HTML.element(.span, ["class": "value"]) { words(now) }
                HTML.element(
                    .svg,
                    [
                        "viewBox": "0 0 \(Self.width) \(Self.height)", "role": "img", "focusable": "false",
                        "preserveAspectRatio": "none",
                        "aria-label": "\(title) in the last hour: \(words(now)) now, at most \(words(top))",
                    ]
                ) {
                    HTML.element(.polyline, ["points": points(below: top)])
                }
                HTML.element(.small) { "at most \(words(top)) in the last hour" }
            } else {
                HTML.element(.small) { "measured after half a minute" }
            }
        }
    }

    /// From right to left: the newest stands at the right edge, and what is missing of the hour at the left.
    private func points(below top: Double) -> String {
        let step = Double(Self.width) / Double(RateHistory.limit - 1)
        let floor = Double(Self.height - 2)
        let places = values.enumerated().map { place, value in
            let x = Double(Self.width) - Double(values.count - 1 - place) * step
            let y = top > 0 ? floor - value / top * (floor - 2) : floor
            return (Int((x * 10).rounded()), Int((y * 10).rounded()))
        }
        // A single value is a line all the same.
        let first = places.first.map { [($0.0 - 20, $0.1)] } ?? []
        return ((places.count == 1 ? first : []) + places)
            .map { "\(Self.tenths($0.0)),\(Self.tenths($0.1))" }.joined(separator: " ")
    }

    private static func tenths(_ count: Int) -> String { "\(count / 10).\(abs(count % 10))" }
}
