/// The system's names of files, its arguments and variables: bytes, which need not be UTF-8.
///
/// In a `String` each byte that is no part of UTF-8 stands as a character for private use, U+F780 to U+F7FF; so do the
/// bytes of those characters themselves. So no two names become the same text, and every text has its name back.
package enum SystemText {
    private static let escapes: ClosedRange<UInt32> = 0xF780...0xF7FF

    /// The text in which every byte of a name can be found again.
    package static func text(_ bytes: [UInt8]) -> String {
        var text = String.UnicodeScalarView()
        var parser = Unicode.UTF8.ForwardParser()
        var (iterator, position) = (bytes.makeIterator(), 0)
        while true {
            switch parser.parseScalar(from: &iterator) {
            case .valid(let encoded):
                let scalar = Unicode.UTF8.decode(encoded)
                if escapes.contains(scalar.value) {
                    append(bytes[position..<position + encoded.count], to: &text)
                } else {
                    text.append(scalar)
                }
                position += encoded.count
            case .error(let length):
                append(bytes[position..<position + length], to: &text)
                position += length
            case .emptyInput:
                return String(text)
            }
        }
    }

    private static func append(_ bytes: ArraySlice<UInt8>, to text: inout String.UnicodeScalarView) {
        for byte in bytes {
            // Never `nil`: the number is no surrogate's.
            if let scalar = Unicode.Scalar(0xF700 | UInt32(byte)) { text.append(scalar) }
        }
    }

    /// The byte that a character stands for; `nil` for one that stands for itself.
    package static func byte(of scalar: Unicode.Scalar) -> UInt8? {
        escapes.contains(scalar.value) ? UInt8(truncatingIfNeeded: scalar.value) : nil
    }
}

extension String {
    /// The name that a text stands for, with the zero byte at its end that C wants.
    package var systemName: [CChar] {
        var name: [CChar] = []
        for scalar in unicodeScalars {
            if let byte = SystemText.byte(of: scalar) {
                name.append(CChar(bitPattern: byte))
            } else {
                name += UTF8.encode(scalar).map { Array($0).map(CChar.init(bitPattern:)) } ?? []
            }
        }
        return name + [0]
    }
}
