package import Logging
internal import MuxRPC
package import Node

/// One line of the log: the one place where values become text, in plain characters.
package struct LogLine: Sendable {
    /// The names that a line has of its own in JSON; a value of that name gets an underscore behind it.
    private static let ownNames: Set = ["time", "level", "event", "module", "omitted"]

    private let time: UInt64
    private let level: Logger.Level
    private let kind: String
    private let module: String
    private let values: Logger.Metadata
    private let omittedCount: Int

    /// A line about something that happened at a time, in Unix seconds; `omittedCount` of its kind were left out before.
    package init(
        time: UInt64, level: Logger.Level, kind: String, module: String, values: Logger.Metadata,
        omittedCount: Int
    ) {
        self.time = time
        self.level = level
        self.kind = kind
        self.module = module
        self.values = values
        self.omittedCount = omittedCount
    }

    /// The line without its end.
    package func text(_ format: LogFormat) -> String {
        switch format {
        case .plain: plain
        case .json: json
        }
    }

    private var plain: String {
        let details = values.sorted { $0.key < $1.key }
            .map { " \($0.key.printableLine)=\(Self.quoted("\($0.value)".printableLine))" }.joined()
        let omitted = omittedCount == 0 ? "" : " (and \(omittedCount) more)"
        return
            "\(TimeText.text(time)) \(level) \(kind.printableLine)\(omitted)\(details.isEmpty ? "" : ":")\(details)"
    }

    private var json: String {
        var line: JSONValue = [
            "time": .string(TimeText.text(time)), "level": .string(level.rawValue), "event": .string(kind),
            "module": .string(module),
        ]
        if omittedCount > 0 { line["omitted"] = .integer(Int64(omittedCount)) }
        guard case .object(var members) = line else { return "" }
        for (key, value) in values.sorted(by: { $0.key < $1.key }) {
            let text = String("\(value)".unicodeScalars.prefix(String.printableLineLimit))
            members[Self.ownNames.contains(key) ? key + "_" : key] = .string(text)
        }
        return JSONValue.object(members).description.printableJSON
    }

    /// In quotation marks where it has a space, so that no value looks like several.
    private static func quoted(_ value: String) -> String {
        value.contains(" ") ? "\"\(value.replacing("\"", with: "'"))\"" : value
    }
}
