import QRCode
import Testing

@Suite("QRSymbol")
struct QRSymbolTests {
    /// How many bytes a version holds at the lowest correction.
    ///
    /// Source: ISO/IEC 18004, table 7.
    static let capacities = [1: 17, 2: 32, 5: 106, 10: 271, 20: 858, 40: 2953]

    /// The format of the lowest correction with each mask.
    ///
    /// Source: ISO/IEC 18004, annex C, table C.1.
    static let formats = [
        0b111_0111_1100_0100, 0b111_0010_1111_0011, 0b111_1101_1010_1010, 0b111_1000_1001_1101,
        0b110_0110_0010_1111, 0b110_0011_0001_1000, 0b110_1100_0100_0001, 0b110_1001_0111_0110,
    ]

    private func symbol(byteCount: Int) throws -> QRSymbol {
        try QRSymbol([UInt8](repeating: UInt8(ascii: "x"), count: byteCount))
    }

    @Test("takes the smallest version that holds the text", arguments: capacities)
    func sizes(version: Int, byteCount: Int) throws {
        let full = try symbol(byteCount: byteCount)
        #expect(full.version == version && full.width == 17 + 4 * version)
        guard version < 40 else { return }
        #expect(try symbol(byteCount: byteCount + 1).version == version + 1)
    }

    @Test("has finder patterns in three corners, and timing between them", arguments: [1, 106, 300, 2953])
    func structure(byteCount: Int) throws {
        let symbol = try symbol(byteCount: byteCount)
        let end = symbol.width - 7
        for (left, top) in [(0, 0), (end, 0), (0, end)] {
            for column in -1...7 {
                for row in -1...7 {
                    let ring = max(abs(column - 3), abs(row - 3))
                    let isDark = symbol.isDark(column: left + column, row: top + row)
                    #expect(isDark == (ring != 2 && ring != 4))
                }
            }
        }
        for place in 8..<symbol.width - 8 {
            #expect(symbol.isDark(column: place, row: 6) == place.isMultiple(of: 2))
            #expect(symbol.isDark(column: 6, row: place) == place.isMultiple(of: 2))
        }
        #expect(symbol.isDark(column: 8, row: 4 * symbol.version + 9))
    }

    @Test(
        "can be read again", arguments: ["a", "cway", "cway-invite-1.AQ", "@/+= \u{FC}", "0123456789abcdefg"])
    func decodes(text: String) throws {
        let small = SmallestSymbol(symbol: try QRSymbol(Array(text.utf8)))
        let mask = try #require(Self.formats.firstIndex(of: small.format))
        #expect(small.text(mask: mask) == text)
    }

    @Test("grows with the correction")
    func correction() throws {
        let text = [UInt8](repeating: 7, count: 100)
        let widths = try QRSymbol.Correction.allCases.map { try QRSymbol(text, correction: $0).width }
        #expect(widths == widths.sorted() && Set(widths).count == 4)
    }

    @Test("says what cannot be drawn")
    func refusals() {
        #expect(throws: QRCodeError.empty) { try QRSymbol([]) }
        #expect(throws: QRCodeError.tooLong(2954)) { try symbol(byteCount: 2954) }
        #expect("\(QRCodeError.tooLong(2954))".contains("2954"))
    }

    @Test("is drawn two rows to a line, with the light margin that cameras need")
    func drawing() throws {
        let symbol = try symbol(byteCount: 17)
        let lines = symbol.drawing(isColoured: false).split(separator: "\n").map(Array.init)
        #expect(lines.count == 15 && lines.allSatisfy { $0.count == symbol.drawingWidth })
        #expect(lines[0].allSatisfy { $0 == "█" } && lines[1].allSatisfy { $0 == "█" })
        // The corner of the upper left finder pattern: a dark row above a row that is dark at its ends.
        #expect(String(lines[2][3..<12]) == "█ ▄▄▄▄▄ █")
        for (number, line) in lines.enumerated() {
            for (place, block) in line.enumerated() {
                let (column, row) = (place - 4, 2 * number - 4)
                #expect((block == "█" || block == "▀") != symbol.isDark(column: column, row: row))
                guard number < 14 else { continue }
                #expect((block == "█" || block == "▄") != symbol.isDark(column: column, row: row + 1))
            }
        }
        let coloured = symbol.drawing(isColoured: true)
        #expect(coloured.split(separator: "\n").allSatisfy { $0.hasSuffix("\u{1B}[0m") })
    }
}
