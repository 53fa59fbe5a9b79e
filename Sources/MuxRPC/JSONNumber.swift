/// A JSON number, kept as the text it was written in.
public struct JSONNumber: Equatable, Sendable {
    /// The digits, sign and exponent, exactly as they were written.
    public let text: String

    /// A text that the parser has found to be a number.
    init(parsed text: String) { self.text = text }

    /// A whole number.
    public init(_ value: Int64) { text = String(value) }

    /// A number in the shortest text that gives it back; whole ones without a fraction, as JavaScript has it.
    ///
    /// What is no number or infinite becomes 0: JSON cannot say it.
    public init(_ value: Double) {
        if let whole = Int64(exactly: value) {
            text = String(whole)
        } else {
            text = value.isFinite ? "\(value)" : "0"
        }
    }

    /// The value, where an `Int64` holds it exactly; a fraction or exponent that comes out whole counts.
    public var integer: Int64? {
        if let value = Int64(text) { return value }
        // From 2⁵³ on, a Double skips whole numbers: there, the text must have been plain digits.
        guard let value = double, value.magnitude < 0x1p53 else { return nil }
        return Int64(exactly: value)
    }

    /// The nearest value, or `nil` where it would be infinite.
    public var double: Double? {
        guard let value = Double(text), value.isFinite else { return nil }
        return value
    }
}
