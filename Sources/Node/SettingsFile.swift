internal import Foundation

/// `config.json` in the home folder, looked at before swift-configuration reads it.
///
/// Its own error messages name neither the file nor the place, and it knows no unknown names.
struct SettingsFile {
    static let name = "config.json"
    /// The largest file that is read, in bytes.
    static let byteCountLimit = 1 << 18

    let path: String
    /// Whether it is there.
    let exists: Bool
    /// The names of all its values, with dots between the levels.
    let keys: [String]

    init(in home: Home) throws(SettingsError) {
        path = home.path(of: Self.name)
        guard let bytes = try Self.contents(path) else {
            exists = false
            keys = []
            return
        }
        exists = true
        keys = Self.names(in: try Self.object(bytes, path: path), prefix: "").sorted()
    }

    private static func contents(_ path: String) throws(SettingsError) -> [UInt8]? {
        let bytes: [UInt8]
        do throws(PrivateFile.Failure) {
            guard try PrivateFile.status(of: path) != nil else { return nil }
            let file = try PrivateFile.Descriptor(opening: path, O_RDONLY | O_NONBLOCK)
            bytes = try file.read(limit: byteCountLimit + 1)
        } catch {
            throw .unreadable(path: path, reason: "\(error.call): \(systemReason(error.code))")
        }
        guard bytes.count <= byteCountLimit else { throw .tooLong(path: path, limit: byteCountLimit) }
        return bytes
    }

    private static func object(_ bytes: [UInt8], path: String) throws(SettingsError) -> [String: Any] {
        do {
            if let object = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] {
                return object
            }
            throw SettingsError.notJSON(path: path, line: 1, column: 1)
        } catch {
            let (line, column) = place(of: error as NSError, in: bytes)
            throw .notJSON(path: path, line: line, column: column)
        }
    }

    /// The place that Foundation names in words only; the end of the file, when it names none.
    private static func place(of error: NSError, in bytes: [UInt8]) -> (line: Int, column: Int) {
        guard error.domain == NSCocoaErrorDomain else { return (1, 1) }
        let words = error.userInfo[NSDebugDescriptionErrorKey] as? String ?? ""
        let offset = words.split { !$0.isNumber }.compactMap { Int($0) }.last ?? bytes.count
        let before = bytes.prefix(offset)
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return (before.count { $0 == UInt8(ascii: "\n") } + 1, before.count - lineStart + 1)
    }

    private static func names(in object: [String: Any], prefix: String) -> [String] {
        object.flatMap { key, value in
            guard let inner = value as? [String: Any] else { return [prefix + key] }
            return names(in: inner, prefix: "\(prefix)\(key).")
        }
    }
}
