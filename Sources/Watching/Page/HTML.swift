/// A piece of a page, in which what others have written stays text: it was escaped when it was put in.
///
/// There is no way to make one of characters as they are, but for ``raw(_:)``, which takes literals of this program alone.
package struct HTML: Sendable {
    /// The elements that the page has; what is void has no content and no end.
    package enum Tag: String, Sendable {
        case html, head, title, body, header, main, section, footer, nav, div, span, p, a, h1, h2, ul, li, dl,
            dt, dd
        case table, caption, thead, tbody, tr, th, td, form, label, button, details, summary, code, strong,
            small
        case style, script, noscript, svg, polyline, figure, figcaption
        case meta, input

        fileprivate var isVoid: Bool { self == .meta || self == .input }
    }

    /// The characters, ready to be sent.
    package let text: String

    private init(escaped text: String) { self.text = text }

    /// A text that somebody wrote.
    package static func text(_ text: String) -> HTML {
        HTML(
            escaped: text.unicodeScalars.reduce(into: "") { escaped, scalar in
                switch scalar {
                case "&": escaped += "&amp;"
                case "<": escaped += "&lt;"
                case ">": escaped += "&gt;"
                case "\"": escaped += "&quot;"
                case "'": escaped += "&#39;"
                // What turns text around, or is no text, is shown as what it is.
                case "\u{200E}"..."\u{200F}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}",
                    "\0"..."\u{8}", "\u{B}"..."\u{1F}", "\u{7F}"..."\u{9F}":
                    escaped += "\\u{\(String(scalar.value, radix: 16))}"
                default: escaped.unicodeScalars.append(scalar)
                }
            })
    }

    /// Characters of this program, as they are: its style, its script.
    static func raw(_ literal: StaticString) -> HTML { HTML(escaped: "\(literal)") }

    /// An element; an attribute without a value is a flag, and one of `nil` is left out.
    package static func element(
        _ tag: Tag, _ attributes: KeyValuePairs<StaticString, String?> = [:],
        @HTMLBuilder _ content: () -> HTML = { .empty }
    ) -> HTML {
        let written = attributes.compactMap { name, value in value.map { " \(name)=\"\(text($0).text)\"" } }
        let begin = "<\(tag.rawValue)\(written.joined())>"
        return HTML(escaped: tag.isVoid ? begin : "\(begin)\(content().text)</\(tag.rawValue)>")
    }

    /// A field of a form.
    static func input(
        name: String, type: String, value: String?, _ others: [(StaticString, String)]
    ) -> HTML {
        let given: [(StaticString, String?)] = [("name", name), ("type", type), ("value", value)]
        let written = (given + others.map { ($0.0, Optional($0.1)) }).compactMap { name, value in
            value.map { " \(name)=\"\(text($0).text)\"" }
        }
        return HTML(escaped: "<input\(written.joined())>")
    }

    /// Nothing.
    package static let empty = HTML(escaped: "")

    /// Several pieces in a row.
    package static func all(_ parts: [HTML]) -> HTML { HTML(escaped: parts.map(\.text).joined()) }

    /// A whole document.
    static func document(_ html: HTML) -> String { "<!doctype html>\n\(html.text)\n" }
}

/// Puts pieces of a page together; texts among them are escaped.
@resultBuilder
package enum HTMLBuilder {
    package static func buildExpression(_ html: HTML) -> HTML { html }
    package static func buildExpression(_ text: String) -> HTML { .text(text) }
    package static func buildBlock(_ parts: HTML...) -> HTML { .all(parts) }
    package static func buildArray(_ parts: [HTML]) -> HTML { .all(parts) }
    package static func buildOptional(_ part: HTML?) -> HTML { part ?? .empty }
    package static func buildEither(first part: HTML) -> HTML { part }
    package static func buildEither(second part: HTML) -> HTML { part }
}
