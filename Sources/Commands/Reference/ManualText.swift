/// A page for man(1), written down piece by piece.
///
/// Source: man(7) and groff_char(7).
struct ManualText {
    /// What stands there, a line of orders or of text each.
    private(set) var lines: [String]

    /// A page with its title line.
    init(_ name: String, section: Int, day: String, source: String) {
        lines = [
            ".TH \(Self.quoted(name.uppercased())) \(section) \(Self.quoted(day)) \(Self.quoted(source)) "
                + Self.quoted("Companionway")
        ]
    }

    var text: String { lines.joined(separator: "\n") }

    mutating func section(_ title: String) { lines.append(".SH \(Self.quoted(title.uppercased()))") }

    mutating func paragraph() { lines.append(".PP") }

    /// A term, and what it means behind it; marks are written by ``bold(_:)`` and ``italic(_:)``.
    mutating func item(_ term: String, _ meaning: [String]) {
        lines += [".TP", term]
        for text in meaning where !text.isEmpty { say(text) }
    }

    /// Running text, a sentence of which may end with a line.
    mutating func say(_ text: String) { lines.append(Self.atStart(Self.escaped(text))) }

    /// What is marked up already.
    mutating func say(marked text: String) { lines.append(Self.atStart(text)) }

    /// Lines as they are.
    mutating func literally(_ text: [String]) {
        lines += [".RS 4", ".nf"] + text.map { Self.atStart(Self.escaped($0)) } + [".fi", ".RE"]
    }

    static func bold(_ text: String) -> String { "\\fB\(escaped(text))\\fR" }
    static func italic(_ text: String) -> String { "\\fI\(escaped(text))\\fR" }

    /// Characters that mean something else to troff than to those who copy them from the page.
    static func escaped(_ text: String) -> String {
        text.reduce(into: "") { shown, character in
            switch character {
            case "\\": shown += "\\e"
            case "-": shown += "\\-"
            case "'": shown += "\\(aq"
            case "`": shown += "\\(ga"
            case "^": shown += "\\(ha"
            case "~": shown += "\\(ti"
            default: shown.append(character)
            }
        }
    }

    /// A line that begins with a dot is an order.
    private static func atStart(_ line: String) -> String { line.hasPrefix(".") ? "\\&" + line : line }

    private static func quoted(_ text: String) -> String {
        "\"\(escaped(text).replacing("\"", with: "\\(dq"))\""
    }
}
