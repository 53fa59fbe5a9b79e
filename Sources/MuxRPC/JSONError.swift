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
