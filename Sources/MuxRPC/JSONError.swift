/// Why bytes are no JSON that we take; the number is the offset in bytes.
public enum JSONError: Error, Equatable, Sendable {
    /// The text stops inside a value, or is empty.
    case truncated
    /// A byte that cannot stand there, something behind the value included.
    case unexpectedByte(at: Int)
    /// A string that is not UTF-8.
    case invalidUTF8(at: Int)
    /// An escape that JSON does not have.
    case invalidEscape(at: Int)
    /// More arrays and objects inside each other than ``JSONValue/depthLimit``.
    case tooDeep(at: Int)
    /// More values than ``JSONValue/valueLimit``.
    case tooManyValues(at: Int)
}

extension JSONError: CustomStringConvertible {
    /// What is wrong, and where, for people.
    public var description: String {
        switch self {
        case .truncated: "it stops in the middle"
        case .unexpectedByte(let offset): "its byte \(offset + 1) cannot stand there"
        case .invalidUTF8(let offset): "it is not UTF-8 from byte \(offset + 1) on"
        case .invalidEscape(let offset): "JSON does not have the escape at its byte \(offset + 1)"
        case .tooDeep(let offset): "it is nested too deeply from byte \(offset + 1) on"
        case .tooManyValues(let offset): "it has too many values, from byte \(offset + 1) on"
        }
    }
}
