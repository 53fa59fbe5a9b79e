import LMDB
import TestSupport
import Testing

@Suite("Names that are no UTF-8")
struct SystemTextTests {
    private func bytes(of text: String) -> [UInt8] { text.systemName.dropLast().map(UInt8.init(bitPattern:)) }

    @Test(
        "become a text from which each byte comes back",
        arguments: [
            "plain", "\u{E9}t\u{E9}", "a\u{301}", "\u{F7E9}", "\u{1F600}", "", "\u{F780}\u{F7FF}\u{F800}",
        ])
    func valid(_ name: String) {
        let text = SystemText.text(Array(name.utf8))
        #expect(bytes(of: text) == Array(name.utf8))
        #expect(text.systemName.last == 0)
    }

    @Test("so do names of random bytes, and no two become the same text")
    func random() {
        var random = SeededRandom(seed: 13)
        var names: [String: [UInt8]] = [:]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...6, using: &random)
            // Few values, so that parts of characters meet.
            let values: [UInt8] = [
                0x41, 0x2F, 0xE9, 0xC3, 0xA9, 0xEF, 0x9F, 0x9E, 0xBF, 0xF0, 0x80, 0xED, 0xFF,
            ]
            let name = (0..<count).map { _ in values[Int.random(in: 0..<values.count, using: &random)] }
            let text = SystemText.text(name)
            #expect(bytes(of: text) == name)
            #expect(names[text] == nil || names[text] == name)
            names[text] = name
        }
    }

    @Test("stay themselves where they are UTF-8")
    func unchanged() {
        #expect(SystemText.text(Array("/home/Ren\u{E9}".utf8)) == "/home/Ren\u{E9}")
        #expect(SystemText.text([0x68, 0xE9]) == "h\u{F7E9}")
    }
}
