internal import ArgumentParser
internal import MuxRPC
internal import Node

/// `cway settings`: what counts here, and why.
struct SettingsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings",
        abstract: "Print the settings in force, and where each comes from.",
        discussion: """
            A setting comes from the first place that has it: an option, an environment variable, the settings file \
            (config.json in the home folder, or the file that \(SettingsSource.variable) names), the default. What a \
            running command was given as options is not seen here. JSON is an object with {"value", "origin", "place"} \
            for each key; the origin is flag, environment, file or default, the place a variable or a file. Every key is \
            explained in companionway.json(5).

            EXAMPLES
              cway settings
              cway settings --json | jq .listen.value
              cway settings --check /etc/companionway/portal.json

            Ends with 21 where a setting is wrong.
            """)

    @OptionGroup private var common: CommonOptions

    @Option(
        name: .long,
        help: ArgumentHelp("Look at this file alone, and say what is wrong with it.", valueName: "file"),
        completion: .file(extensions: ["json"]))
    private var check: String?

    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let report = try await report()
        guard !json else { return try CommandEnvironment.current.print(json: Self.json(report).description) }
        if let check {
            let count = report.entries.count { $0.origin != .standard }
            return try CommandEnvironment.current.print(
                "\(check) is in order, and says \(count) of \(report.entries.count) settings")
        }
        var table = TextTable("SETTING", "VALUE", "FROM")
        for entry in report.entries {
            table.add(entry.key.rawValue, Self.words(entry), Self.words(entry.origin))
        }
        try CommandEnvironment.current.print(table.text)
        for name in report.unknownVariables {
            let nearest = Settings.variable(near: name).map { ": did you mean \($0)?" } ?? ""
            CommandEnvironment.current.note("cway: the environment variable \(name) means nothing\(nearest)")
        }
    }

    private func report() async throws(CommandFailure) -> SettingsReport {
        let home = try check == nil ? common.preparedHome() : nil
        do throws(SettingsError) {
            guard let home else { return try await SettingsReport(ofFile: check ?? "") }
            return try await SettingsReport(
                of: home, flags: common.flags, environment: CommandEnvironment.current.environment)
        } catch {
            throw CommandFailure(.settingsUnusable, error)
        }
    }

    private static func words(_ entry: SettingsReport.Entry) -> String {
        switch entry.value {
        case .null: "(\(entry.key.meaning.standard))"
        case .string(let text): text
        case .array(let values) where values.isEmpty: "(\(entry.key.meaning.standard))"
        case .array(let values): values.compactMap(\.string).joined(separator: ", ")
        case .object(let object) where object.members.isEmpty: "(\(entry.key.meaning.standard))"
        case let value: "\(value)"
        }
    }

    private static func words(_ origin: SettingOrigin) -> String {
        switch origin {
        case .flag: "an option"
        case .variable(let name): name
        case .file(let path): path
        case .standard: "default"
        }
    }

    private static func json(_ report: SettingsReport) -> JSONValue {
        let members = report.entries.map { entry in
            let (origin, place): (String, String?) =
                switch entry.origin {
                case .flag: ("flag", nil)
                case .variable(let name): ("environment", name)
                case .file(let path): ("file", path)
                case .standard: ("default", nil)
                }
            return JSONObject.Member(
                key: entry.key.rawValue,
                value: ["value": entry.value, "origin": .string(origin), "place": .text(place)])
        }
        return .object(JSONObject(members))
    }
}
