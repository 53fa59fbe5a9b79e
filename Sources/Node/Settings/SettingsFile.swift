internal import Configuration
internal import Glibc
internal import Multiserver
internal import MuxRPC

/// `config.json` in the home folder, read once, with each value in its place and of its shape.
///
/// swift-configuration reads such files too, but takes any name, and says neither where a mistake is nor what belongs
/// there.
struct SettingsFile {
    static let name = "config.json"
    /// The largest file that is read, in bytes.
    static let byteCountLimit = 1 << 18

    let path: String
    /// The values of the settings that it has.
    private(set) var values: [SettingKey: ConfigContent] = [:]
    /// What it says of each instance beside 0.
    private(set) var instances: [Int: [SettingKey: ConfigContent]] = [:]

    /// The file of a home folder, which need not be there, or the one that the environment names, which has to.
    init(in home: Home, environment: [String: String]) throws(SettingsError) {
        let named = environment[SettingsSource.variable].flatMap { $0.isEmpty ? nil : $0 }
        try self.init(at: named ?? home.path(of: Self.name), mayBeMissing: named == nil)
    }

    init(at path: String, mayBeMissing: Bool) throws(SettingsError) {
        self.path = path
        guard var bytes = try Self.contents(path) else {
            guard mayBeMissing else { throw .unreadable(path: path, reason: systemReason(ENOENT)) }
            return
        }
        // Some editors put it in front of every text.
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { bytes.removeFirst(3) }
        try take(try Self.object(bytes, path: path), at: [])
    }

    /// Whether it says anything of a setting.
    func has(_ key: SettingKey) -> Bool { key == .instances ? !instances.isEmpty : values[key] != nil }

    // MARK: Shapes

    private mutating func take(_ object: JSONObject, at place: [String]) throws(SettingsError) {
        for member in object.members {
            let place = place + [member.key]
            let name = place.joined(separator: ".")
            guard !member.key.contains(".") else {
                let parts = member.key.split(separator: ".").map { "{\"\($0)\": " }.joined()
                throw wrong(name, "write an object for what is behind the dot, \(parts)…")
            }
            if let key = SettingKey(at: place) {
                guard key != .instances else {
                    try takeInstances(member.value)
                    continue
                }
                guard let content = ConfigContent(member.value, as: key.meaning.kind) else {
                    throw wrong(name, key, instead: member.value)
                }
                values[key] = content
                continue
            }
            let names = SettingKey.names(below: place)
            guard !names.isEmpty else { throw unknown(name, at: place) }
            guard case .object(let inner) = member.value else {
                let known = names.joined(separator: ", ")
                let found = Self.words(for: member.value)
                throw wrong(name, "write an object with \(known), instead of \(found)")
            }
            try take(inner, at: place)
        }
    }

    private mutating func takeInstances(_ value: JSONValue) throws(SettingsError) {
        let list = SettingKey.instances.rawValue
        guard case .object(let numbers) = value else { throw wrong(list, .instances, instead: value) }
        for member in numbers.members {
            let place = "\(list).\(member.key)"
            guard let number = try? ServiceName.instance(member.key), number > 0 else {
                throw wrong(
                    place, "write the number of an instance, from 1 on; what is 0's stands outside of \(list)"
                )
            }
            guard case .object(let settings) = member.value else {
                throw wrong(place, .instances, instead: member.value)
            }
            instances[number] = try values(of: settings, at: place)
        }
    }

    private func values(
        of instance: JSONObject, at place: String
    ) throws(SettingsError) -> [SettingKey: ConfigContent] {
        var values: [SettingKey: ConfigContent] = [:]
        let known = SettingKey.ofInstances.map(\.rawValue)
        for member in instance.members {
            let name = "\(place).\(member.key)"
            guard known.contains(member.key), let key = SettingKey(rawValue: member.key) else {
                let nearest = NearestName.nearest(to: member.key, among: known)
                throw .unknownKey(key: name, path: path, nearest: nearest, known: known)
            }
            guard let content = ConfigContent(member.value, as: key.meaning.kind) else {
                throw wrong(name, key, instead: member.value)
            }
            values[key] = content
        }
        return values
    }

    private func wrong(_ name: String, _ key: SettingKey, instead value: JSONValue) -> SettingsError {
        wrong(name, "write \(key.meaning.takes), instead of \(Self.words(for: value))")
    }

    private func wrong(_ name: String, _ reason: String) -> SettingsError {
        .badValue(key: name, origin: path, reason: reason)
    }

    private func unknown(_ name: String, at place: [String]) -> SettingsError {
        let nearest = NearestName.nearest(to: name, among: SettingKey.allCases.map(\.rawValue))
        let known = SettingKey.names(below: place.dropLast())
        return .unknownKey(key: name, path: path, nearest: nearest, known: known)
    }

    private static func words(for value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let number): "the number \(number.text)"
        case .string: "a text"
        case .array(let values):
            switch values.first(where: { $0.string?.isEmpty ?? true }) {
            case nil: "a list"
            case .string?: "a list with an empty text in it"
            case let value?: "a list with \(words(for: value)) in it"
            }
        case .object: "an object"
        }
    }

    // MARK: Bytes

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

    private static func object(_ bytes: [UInt8], path: String) throws(SettingsError) -> JSONObject {
        var parser = JSONParser()
        let value: JSONValue
        do throws(JSONError) {
            value = try parser.document(bytes.span)
        } catch {
            let (line, column) = place(of: error, in: bytes)
            throw .notJSON(path: path, line: line, column: column)
        }
        guard case .object(let object) = value else { throw .notJSON(path: path, line: 1, column: 1) }
        if let key = parser.repeatedKey {
            throw .badValue(
                key: key, origin: path, reason: "it is there twice, of which one counts: keep that")
        }
        return object
    }

    private static func place(of error: JSONError, in bytes: [UInt8]) -> (line: Int, column: Int) {
        let offset =
            switch error {
            case .truncated: bytes.count
            case .unexpectedByte(let offset), .invalidUTF8(let offset), .invalidEscape(let offset),
                .tooDeep(let offset), .tooManyValues(let offset):
                offset
            }
        let before = bytes.prefix(offset)
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return (before.count { $0 == UInt8(ascii: "\n") } + 1, before.count - lineStart + 1)
    }
}

extension ConfigContent {
    /// A value of the file, where it has the shape that belongs there.
    fileprivate init?(_ value: JSONValue, as kind: SettingKey.Kind) {
        switch (kind, value) {
        case (.text, .string(let text)): self = .string(text)
        case (.flag, .bool(let flag)): self = .bool(flag)
        case (.count, .number(let number)):
            guard let count = number.integer.flatMap({ Int(exactly: $0) }) else { return nil }
            self = .int(count)
        case (.texts, .array(let values)):
            let texts = values.compactMap(\.string).filter { !$0.isEmpty }
            guard texts.count == values.count else { return nil }
            self = .stringArray(texts)
        default: return nil
        }
    }
}
