import QRCode

/// Reads symbols of version 1 at the lowest correction: one block of 19 bytes, so nothing is interleaved.
///
/// Source: ISO/IEC 18004, sections 7.4 (bytes), 7.7.3 (placement), 7.8 (masks) and annex C (format).
struct SmallestSymbol {
    private static let width = 21

    let symbol: QRSymbol

    /// The format's fifteen bits, the copy around the upper left finder pattern, the first bit first.
    var format: Int {
        let row = [0, 1, 2, 3, 4, 5, 7, 8].map { symbol.isDark(column: $0, row: 8) }
        let column = [7, 5, 4, 3, 2, 1, 0].map { symbol.isDark(column: 8, row: $0) }
        return (row + column).reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
    }

    /// The text in it, encoded as bytes.
    func text(mask: Int) -> String? {
        let codewords = stride(from: 0, to: 19 * 8, by: 8).map { start in
            bits(mask)[start..<start + 8].reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
        }
        guard codewords[0] >> 4 == 4 else { return nil }
        let count = (codewords[0] & 15) << 4 | codewords[1] >> 4
        guard count <= 17 else { return nil }
        let bytes = (0..<count).map { index in
            UInt8((codewords[index + 1] & 15) << 4 | codewords[index + 2] >> 4)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Two columns at a time from the right, upwards and downwards in turn; the timing column is left out.
    private func bits(_ mask: Int) -> [Bool] {
        var bits: [Bool] = []
        var isUpward = true
        for right in [20, 18, 16, 14, 12, 10, 8, 5, 3, 1] {
            for step in 0..<Self.width {
                let row = isUpward ? Self.width - 1 - step : step
                for column in [right, right - 1] where !Self.isFunction(column, row) {
                    bits.append(symbol.isDark(column: column, row: row) != Self.isMasked(mask, column, row))
                }
            }
            isUpward.toggle()
        }
        return bits
    }

    private static func isFunction(_ column: Int, _ row: Int) -> Bool {
        let isLeft = column < 9
        let isUpper = row < 9
        return column == 6 || row == 6 || isLeft && isUpper || isLeft && row > 12 || isUpper && column > 12
    }

    private static func isMasked(_ mask: Int, _ column: Int, _ row: Int) -> Bool {
        let product = row * column
        return switch mask {
        case 0: (row + column).isMultiple(of: 2)
        case 1: row.isMultiple(of: 2)
        case 2: column.isMultiple(of: 3)
        case 3: (row + column).isMultiple(of: 3)
        case 4: (row / 2 + column / 3).isMultiple(of: 2)
        case 5: product % 2 + product % 3 == 0
        case 6: (product % 2 + product % 3).isMultiple(of: 2)
        default: ((row + column) % 2 + product % 3).isMultiple(of: 2)
        }
    }
}
