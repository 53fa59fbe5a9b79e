internal import CQREncode

/// A QR code: a square of dark and light modules that a camera reads as text.
///
/// | version | modules per side |
/// |---------|------------------|
/// | 1       | 21               |
/// | v       | 17 + 4 v         |
/// | 40      | 177              |
///
/// Source: ISO/IEC 18004, section 6.1; made by libqrencode, in the smallest version that holds the text.
package struct QRSymbol: Hashable, Sendable {
    /// How much of a symbol may be unreadable.
    package enum Correction: Sendable, CaseIterable {
        /// 7 %: the smallest symbol; good for screens, which have no scratches.
        case low
        /// 15 %.
        case medium
        /// 25 %.
        case quartile
        /// 30 %.
        case high
    }

    /// The size's number, from 1 to 40.
    package let version: Int
    /// How many modules each side has.
    package let width: Int
    /// Row after row from the top, each from the left.
    private let modules: [Bool]

    /// Encodes bytes as they are.
    ///
    /// - Throws: ``QRCodeError``.
    package init(_ text: [UInt8], correction: Correction = .low) throws(QRCodeError) {
        guard !text.isEmpty else { throw .empty }
        guard let count = Int32(exactly: text.count) else { throw .tooLong(text.count) }
        var reason: Int32 = 0
        // Safety: the text is lent to C for the length of the call, which copies it.
        let made = unsafe text.withUnsafeBufferPointer { bytes in
            unsafe shim_qr_encode(bytes.baseAddress, count, correction.level, &reason)
        }
        guard let symbol = unsafe made else {
            throw shim_qr_is_too_long(reason) != 0 ? .tooLong(text.count) : .failed(reason)
        }
        // Safety: the library's symbol holds width × width bytes and is freed once, after they were copied.
        defer { unsafe QRcode_free(symbol) }
        version = Int(unsafe symbol.pointee.version)
        width = Int(unsafe symbol.pointee.width)
        let bytes = unsafe UnsafeBufferPointer(start: symbol.pointee.data, count: width * width)
        // The lowest bit is the colour; the others say what the module is for.
        modules = unsafe bytes.map { $0 & 1 == 1 }
    }

    /// Whether a module is dark; outside of the symbol all is light.
    package func isDark(column: Int, row: Int) -> Bool {
        guard (0..<width).contains(column), (0..<width).contains(row) else { return false }
        return modules[row * width + column]
    }

    // MARK: Drawing

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

extension QRSymbol.Correction {
    fileprivate var level: QRecLevel {
        switch self {
        case .low: QR_ECLEVEL_L
        case .medium: QR_ECLEVEL_M
        case .quartile: QR_ECLEVEL_Q
        case .high: QR_ECLEVEL_H
        }
    }
}

/// Why there is no QR code for a text.
package enum QRCodeError: Error, Equatable, Sendable {
    /// There is nothing to encode.
    case empty
    /// More bytes than the largest symbol holds, at the level of correction that was asked for.
    case tooLong(Int)
    /// The library failed, with this system error: most likely there is no memory left.
    case failed(Int32)
}

extension QRCodeError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    package var description: String {
        switch self {
        case .empty: "there is nothing to draw: give a text"
        case .tooLong(let count): "\(count) bytes are too many for a QR code: pass the text on as it is"
        case .failed(let code):
            "the QR code could not be made (system error \(code)): pass the text on as it is"
        }
    }
}
