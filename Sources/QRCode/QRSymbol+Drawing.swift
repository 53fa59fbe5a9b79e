extension QRSymbol {
    /// How many modules around a symbol stay light, without which cameras do not find it.
    ///
    /// Source: ISO/IEC 18004, section 6.3.8.
    package static let quietZone = 4

    /// How many columns of a terminal the drawing takes.
    package var drawingWidth: Int { width + 2 * Self.quietZone }

    /// The symbol in characters of half a square each, two rows of modules in one line of text.
    ///
    /// Blocks are the light modules. With `isColoured` the terminal is told to draw white on black, so that a
    /// camera reads it whatever the terminal's own colours are; without, it is readable in light text on dark ground.
    package func drawing(isColoured: Bool) -> String {
        let range = -Self.quietZone..<width + Self.quietZone
        return stride(from: range.lowerBound, to: range.upperBound, by: 2).map { row in
            let line = String(range.map { Self.block(self, column: $0, row: row, end: range.upperBound) })
            return isColoured ? "\u{1B}[97;40m\(line)\u{1B}[0m" : line
        }.joined(separator: "\n")
    }

    /// The character for a module and the one below it; below the last row there is nothing to draw.
    private static func block(_ symbol: QRSymbol, column: Int, row: Int, end: Int) -> Character {
        let isUpperLight = !symbol.isDark(column: column, row: row)
        let isLowerLight = row + 1 < end && !symbol.isDark(column: column, row: row + 1)
        return switch (isUpperLight, isLowerLight) {
        case (true, true): "█"
        case (true, false): "▀"
        case (false, true): "▄"
        case (false, false): " "
        }
    }
}
