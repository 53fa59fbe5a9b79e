import Foundation
import Testing

/// Every event that is logged stands in docs/logs.md, with its level, and nothing else does.
@Suite("The list of what is logged")
struct LogDocumentTests {
    /// An event as the document and the code have it: `…` is what differs.
    private struct Event: Hashable, CustomStringConvertible {
        let words: String
        let level: String

        var description: String { "\(level): \(words)" }
    }

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let modules = [
        "Commands", "Node", "PortalCore", "Transport", "Tunnel", "Demo", "Watching",
    ]
    private static let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]

    @Test("is that of the code")
    func isComplete() throws {
        let documented = try Self.documented()
        let logged = try Self.logged().union([Event(words: "lines were left out", level: "notice")])
        #expect(documented.subtracting(logged).isEmpty, "docs/logs.md has events that nothing logs")
        #expect(logged.subtracting(documented).isEmpty, "docs/logs.md has to have these events")
        #expect(documented.count > 60)
    }

    private static func documented() throws -> Set<Event> {
        let text = try String(contentsOf: root.appending(path: "docs/logs.md"), encoding: .utf8)
        var events: Set<Event> = []
        for line in text.split(separator: "\n") where line.hasPrefix("| ") && !line.hasPrefix("| event |") {
            let cells = line.split(separator: " | ", omittingEmptySubsequences: false)
            guard cells.count == 4 else {
                Issue.record("a row has four cells: \(line)")
                continue
            }
            for level in cells[1].split(separator: ", ") {
                events.insert(Event(words: String(cells[0].dropFirst(2)), level: String(level)))
            }
        }
        return events
    }

    private static func logged() throws -> Set<Event> {
        var events: Set<Event> = []
        for module in modules {
            let folder = root.appending(path: "Sources/\(module)")
            let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
            for case let file as URL in files ?? .init() where file.pathExtension == "swift" {
                let text = try String(contentsOf: file, encoding: .utf8)
                for level in levels {
                    for call in text.ranges(of: "logger.\(level)(") {
                        for words in literals(ofArgument: 0, in: text[call.upperBound...]).words {
                            events.insert(Event(words: words, level: level))
                        }
                    }
                }
                for call in text.ranges(of: ".say(") {
                    let rest = text[call.upperBound...]
                    let named = literals(ofArgument: 0, in: rest).text.drop { $0 == "." }
                    let chosen = levels.contains(String(named)) ? String(named) : "warning or error"
                    for words in literals(ofArgument: 1, in: rest).words {
                        events.insert(Event(words: words, level: chosen))
                    }
                }
            }
        }
        return events
    }

    /// One argument of a call: the string literals in it, and what else it is.
    private static func literals(ofArgument number: Int, in rest: Substring) -> (
        words: [String], text: String
    ) {
        var (index, argument, depth) = (rest.startIndex, 0, 0)
        var (words, text) = ([String](), "")
        while index < rest.endIndex {
            let letter = rest[index]
            index = rest.index(after: index)
            switch letter {
            case "\"":
                let literal = literal(in: rest, at: &index)
                if argument == number { words.append(literal) }
            case "(", "[", "{": depth += 1
            case ")", "]", "}":
                if depth == 0 { return (words, text) }
                depth -= 1
            case "," where depth == 0:
                if argument == number { return (words, text) }
                argument += 1
            default:
                if argument == number, !letter.isWhitespace { text.append(letter) }
            }
        }
        return (words, text)
    }

    /// A string literal, whose first quotation mark is behind us, with `…` for what is put in.
    private static func literal(in rest: Substring, at index: inout String.Index) -> String {
        var literal = ""
        while index < rest.endIndex, rest[index] != "\"" {
            var letter = rest[index]
            index = rest.index(after: index)
            if letter == "\\" {
                letter = rest[index]
                index = rest.index(after: index)
                if letter == "(" {
                    var depth = 1
                    while depth > 0 {
                        if rest[index] == "(" { depth += 1 }
                        if rest[index] == ")" { depth -= 1 }
                        index = rest.index(after: index)
                    }
                    letter = "…"
                }
            }
            literal.append(letter)
        }
        if index < rest.endIndex { index = rest.index(after: index) }
        return literal
    }
}
