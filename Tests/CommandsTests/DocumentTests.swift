import Foundation
import Testing

@Suite("What the documents give to copy")
struct DocumentTests {
    private static func document(_ path: String) throws -> String {
        // <root>/Tests/CommandsTests/<this file>
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    @Test("a systemd unit has each key in its section once, and is started with the machine")
    func unit() throws {
        let block = try #require(
            Self.document("docs/operations.md").split(separator: "```").first { $0.hasPrefix("ini\n") })
        var (sections, section) = ([String: [String: Int]](), "")
        for line in block.split(separator: "\n").dropFirst() where !line.hasPrefix("#") {
            if line.hasPrefix("[") {
                section = String(line)
                continue
            }
            let key = String(line.prefix { $0 != "=" })
            sections[section, default: [:]][key, default: 0] += 1
        }
        #expect(Set(sections.keys) == ["[Unit]", "[Service]", "[Install]"])
        #expect(sections["[Install]"] == ["WantedBy": 1])
        #expect(Set(try #require(sections["[Unit]"]).keys) == ["Description", "Wants", "After"])
        let service = try #require(sections["[Service]"])
        for key in ["ExecStart", "LimitNOFILE", "MemoryMax", "Restart"] {
            #expect(service[key] == 1, "\(key)")
        }
        #expect(service.filter { $0.value > 1 }.keys.sorted() == ["SystemCallFilter"])
    }
}
