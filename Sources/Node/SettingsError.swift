/// Why the settings of a node cannot be had.
public enum SettingsError: Error, Equatable, Sendable {
    /// The settings file cannot be read, for the system's reason.
    case unreadable(path: String, reason: String)
    /// The settings file has more bytes than it may.
    case tooLong(path: String, limit: Int)
    /// The settings file is no JSON object; line and column where that shows.
    case notJSON(path: String, line: Int, column: Int)
    /// The settings file has a key that means nothing; the setting that was meant, where one is like it, and all keys
    /// that belong there.
    case unknownKey(key: String, path: String, nearest: String?, known: [String])
    /// A setting, from the place named as origin, has a value that it cannot have.
    case badValue(key: String, origin: String, reason: String)
}

extension SettingsError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    public var description: String {
        switch self {
        case .unreadable(let path, let reason):
            "the settings in \(path) cannot be read (\(reason)): make the file readable or move it away"
        case .tooLong(let path, let limit):
            "the settings in \(path) have more than \(limit) bytes: shorten them"
        case .notJSON(let path, let line, let column):
            "the settings in \(path) are no JSON object, see line \(line), column \(column): correct that place"
        case .unknownKey(let key, let path, let nearest, let known):
            "the setting '\(key)' in \(path) is unknown: "
                + (nearest.map { "write '\($0)' if you mean that" }
                    ?? "there are \(known.joined(separator: ", "))")
        case .badValue(let key, let origin, let reason):
            "the setting '\(key)' from \(origin) is wrong: \(reason)"
        }
    }
}
