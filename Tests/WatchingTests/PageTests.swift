import Foundation
import NIOCore
import Testing
import Watching

@Suite("The page") struct PageTests {
    // MARK: HTML

    @Test("keeps what others have written text") func escaping() {
        let html = HTML.element(.p, ["title": "\"><script>", "hidden": nil]) {
            "<b>&'\u{202E}\u{7}é"
            HTML.element(.code) { "x" }
        }
        #expect(
            html.text
                == "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;b&gt;&amp;&#39;\\u{202e}\\u{7}é<code>x</code></p>"
        )
        #expect(HTML.element(.input, ["name": "a"]).text == "<input name=\"a\">")
    }

    @Test("has a style and a script that end where they end, and a policy that names them by hash")
    func literals() {
        for literal in [PageStyle.sheet, PageStyle.script] { #expect(!"\(literal)".contains("<")) }
        #expect(PagePolicy.text.hasPrefix("default-src 'none'; style-src 'sha256-"))
        for word in ["unsafe", "http:", "https:", "*", "data:"] { #expect(!PagePolicy.text.contains(word)) }
        #expect(!"\(PageStyle.sheet)".contains("url(") && !"\(PageStyle.sheet)".contains("@import"))
    }

    // MARK: Colours

    /// The colours of the light theme and of the dark one, by name, as the style sheet has them.
    private static func palettes() throws -> [[String: [Double]]] {
        let sheet = "\(PageStyle.sheet)"
        let blocks = sheet.components(separatedBy: "prefers-color-scheme:dark").prefix(2)
        return try blocks.map { block in
            var palette: [String: [Double]] = [:]
            for match in block.matches(of: /--([a-z-]+):#([0-9a-f]{6})[;}]/) {
                let digits = try #require(Int(match.2, radix: 16))
                palette[String(match.1)] = [16, 8, 0].map { Double(digits >> $0 & 0xFF) / 255 }
            }
            return palette
        }
    }

    /// Source: WCAG 2.2, "contrast ratio" and "relative luminance".
    private static func contrast(_ one: [Double], _ other: [Double]) -> Double {
        let luminances = [one, other].map { colour in
            let linear = colour.map { $0 <= 0.04045 ? $0 / 12.92 : pow(($0 + 0.055) / 1.055, 2.4) }
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        }.sorted()
        return (luminances[1] + 0.05) / (luminances[0] + 0.05)
    }

    @Test("has the contrast of WCAG's level AA in both themes") func contrast() throws {
        let palettes = try Self.palettes()
        #expect(palettes.count == 2 && palettes[0].count == palettes[1].count && palettes[0].count >= 13)
        let texts = [
            ("ink", "paper"), ("ink", "card"), ("soft", "paper"), ("soft", "card"), ("link", "paper"),
            ("link", "card"), ("on-act", "act"), ("on-bad", "bad"), ("bad", "card"), ("bad", "paper"),
            ("good", "card"),
        ]
        // Edges of fields and buttons, the line of a plot, the ring around what has the focus.
        let shapes = [
            ("edge", "card"), ("edge", "paper"), ("line", "card"), ("link", "card"), ("link", "paper"),
        ]
        for palette in palettes {
            for (pairs, least) in [(texts, 4.5), (shapes, 3.0)] {
                for (front, back) in pairs {
                    let ratio = Self.contrast(try #require(palette[front]), try #require(palette[back]))
                    #expect(ratio >= least, "\(front) on \(back): \(ratio)")
                }
            }
        }
        let rules = "\(PageStyle.sheet)".replacing(/--[a-z-]+:#[0-9a-f]{6}/, with: "")
        #expect(!rules.contains(/:#[0-9a-f]/) && !rules.contains("rgb"), "every colour has a name")
    }

    // MARK: Forms and sessions

    @Test("reads forms as browsers send them") func fields() throws {
        let fields = try #require(FormFields(Array("label=Anna%27s+caf%C3%A9&uses=1&empty=&flag".utf8)))
        #expect(fields["label"] == "Anna's café" && fields["uses"] == "1")
        #expect(fields["empty"] == "" && fields["flag"] == "" && fields["other"] == nil)
        for wrong in ["a=%", "a=%4", "a=%zz", "a=%FF", "a=1&a=2", String(repeating: "a=1&", count: 17)] {
            #expect(FormFields(Array(wrong.utf8)) == nil, "\(wrong)")
        }
        #expect(FormFields(Array(String(repeating: "a", count: 4097).utf8)) == nil)
    }

    @Test("takes what a form may ask for, and nothing else") func actions() throws {
        func action(_ text: String) throws -> PageAction? {
            PageAction(try #require(FormFields(Array(text.utf8))))
        }
        #expect(
            try action("action=invite&label=+Anna+&uses=3&days=0")
                == .invite(label: "Anna", uses: 3, days: nil))
        #expect(try action("action=deny&id=x") == .deny("x"))
        for wrong in [
            "action=invite&uses=0&days=1", "action=invite&uses=1001&days=1", "action=invite&uses=1&days=-1",
            "action=invite&uses=1", "action=deny", "action=deny&id=", "action=drop&id=x", "id=x",
        ] {
            #expect(try action(wrong) == nil, "\(wrong)")
        }
    }

    @Test("knows its own sessions for twelve hours, and the forms of each") func sessions() {
        let sessions = PageSessions()
        let (one, other) = (sessions.begin(at: 1_000), sessions.begin(at: 1_000))
        #expect(one != other && sessions.isValid(one, at: 1_000 + PageSessions.lifetimeSeconds - 1))
        #expect(!sessions.isValid(one, at: 1_000 + PageSessions.lifetimeSeconds))
        #expect(!PageSessions().isValid(one, at: 1_000), "another process")
        let later = one.replacing(".\(1_000 + PageSessions.lifetimeSeconds).", with: ".99999999.")
        for wrong in [
            "", ".", "a.b", later, one + "0", String(one.dropLast()), String(repeating: "a", count: 999),
        ] {
            #expect(!sessions.isValid(wrong, at: 1_000), "\(wrong)")
        }
        #expect(sessions.isValid(formToken: sessions.formToken(of: one), of: one))
        #expect(!sessions.isValid(formToken: sessions.formToken(of: one), of: other))
        #expect(PageSessions.cookie(in: "a=b; cway_page=\(one) ;c=d") == one)
        #expect(PageSessions.cookie(in: "xcway_page=1") == nil && PageSessions.cookie(in: nil) == nil)
    }

    @Test("plots rates between samples, an hour of them at most") func history() {
        var history = RateHistory()
        for count in 0..<300 {
            var sample = RateSample()
            (sample.relayedByteCount, sample.tunnelCount) = (count * 1_500, count)
            sample.connectionCount = 3
            history.add(sample)
        }
        #expect(history.connections.count == RateHistory.limit)
        #expect(history.bytesPerSecond.count == 240 && history.bytesPerSecond.allSatisfy { $0 == 100 })
        #expect(history.tunnelsPerMinute.allSatisfy { $0 == 4 } && history.refusalsPerMinute.last == 0)
    }
}
