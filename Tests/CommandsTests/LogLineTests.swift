import Commands
import Foundation
import Logging
import Node
import Testing

@Suite("A line of the log")
struct LogLineTests {
    private let line = LogLine(
        time: 0, level: .warning, kind: "tunnel \u{1B}cut", module: "Node",
        values: ["friend": "anna b", "time": "\u{202E}x", "id": "@a\n"], omittedCount: 3)

    @Test("is the words, then what they are about, in plain characters")
    func plain() {
        #expect(
            line.text(.plain)
                == #"1970-01-01T00:00:00Z warning tunnel \u{1b}cut (and 3 more): friend="anna b" id=@a\u{a} time=\u{202e}x"#
        )
    }

    @Test("is one JSON object, whatever is in it")
    func json() throws {
        let text = line.text(.json)
        #expect(!text.contains { $0.isNewline } && text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
        let object = try #require(
            JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["event"] as? String == "tunnel \u{1B}cut" && object["omitted"] as? Int == 3)
        #expect(
            object["time"] as? String == "1970-01-01T00:00:00Z" && object["time_"] as? String == "\u{202E}x")
        #expect(object["friend"] as? String == "anna b" && object["id"] as? String == "@a\n")
    }
}
