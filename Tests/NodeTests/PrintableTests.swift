import Foundation
import Node
import Testing

@Suite("Text from outside, as it is printed")
struct PrintableTests {
    /// What does something to a terminal, or is not seen, each with its escape.
    private static let escaped: [(String, String)] = [
        ("\u{1B}[2J", "\\u{1b}[2J"), ("\u{9B}31m", "\\u{9b}31m"), ("\u{7}", "\\u{7}"), ("\u{7F}", "\\u{7f}"),
        ("\r", "\\u{d}"), ("\t", "\\u{9}"), ("\0", "\\u{0}"), ("\u{85}", "\\u{85}"),
        ("\u{202E}", "\\u{202e}"), ("\u{2066}", "\\u{2066}"), ("\u{2069}", "\\u{2069}"),
        ("\u{200F}", "\\u{200f}"),
        ("\u{200B}", "\\u{200b}"), ("\u{200D}", "\\u{200d}"), ("\u{FEFF}", "\\u{feff}"),
        ("\u{AD}", "\\u{ad}"),
        ("\u{2028}", "\\u{2028}"), ("\u{2029}", "\\u{2029}"), ("\u{E0041}", "\\u{e0041}"),
        ("\u{E000}", "\\u{e000}"), ("\u{10FFFF}", "\\u{10ffff}"), ("\u{378}", "\\u{378}"),
        ("\u{FE0F}", "\\u{fe0f}"),
        ("\u{3164}", "\\u{3164}"), ("\u{34F}", "\\u{34f}"),
    ]

    @Test("has escapes for what a terminal obeys or hides", arguments: escaped)
    func escapes(_ text: String, _ shown: String) {
        #expect("a\(text)b".printable == "a\(shown)b")
        #expect("a\(text)b".printableLine == "a\(shown)b")
        #expect("a\(text)b".printable.printable == "a\(shown)b")
    }

    @Test("is left alone otherwise", arguments: ["", "plain ~ \\ text", "Grüße, 世界, שלום, 🎈", "e\u{301}"])
    func plain(_ text: String) {
        #expect(text.printable == text && text.printableLine == text && text.printableJSON == text)
    }

    @Test("keeps line breaks where it may have several, and is cut to its bound")
    func lines() {
        #expect("a\nb".printable == "a\nb" && "a\nb".printableLine == "a\\u{a}b")
        let long = String(repeating: "é", count: 100_000)
        #expect(long.printable == long)
        #expect(long.printableLine.count == String.printableLineLimit + 1 && long.printableLine.last == "…")
        #expect(long.printableText.count == String.printableTextLimit + 1)
    }

    @Test("is JSON of the same value at a terminal", arguments: escaped)
    func json(_ text: String, _ shown: String) throws {
        let value = ["a \(text) \"\\ 🎈": text]
        let exact = String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
        let plain = exact.printableJSON
        #expect(plain.unicodeScalars.allSatisfy { $0.isPlain })
        #expect(try JSONDecoder().decode([String: String].self, from: Data(plain.utf8)) == value)
    }
}
