internal import ArgumentParser
internal import FoundationEssentials

/// A command as ArgumentParser describes it to programs.
struct CommandDescription: Decodable {
    /// An option, a flag or an argument.
    struct Argument: Decodable {
        struct Name: Decodable {
            let kind: String
            let name: String

            /// As it is typed.
            var text: String { (kind == "long" ? "--" : "-") + name }
        }

        let kind: String
        let shouldDisplay: Bool
        let sectionTitle: String?
        let isOptional: Bool
        let isRepeating: Bool
        let names: [Name]?
        let preferredName: Name?
        let valueName: String?
        let defaultValue: String?
        let abstract: String?
        let discussion: String?

        var isPositional: Bool { kind == "positional" }
        /// What takes its place, for what takes a value.
        var value: String? { kind == "flag" ? nil : valueName }
    }

    let commandName: String
    let abstract: String?
    let discussion: String?
    let shouldDisplay: Bool
    let superCommands: [String]?
    let subcommands: [CommandDescription]?
    let arguments: [Argument]?

    /// `cway` with all that its help shows.
    static func ofProgram() throws -> CommandDescription {
        struct Tool: Decodable {
            let command: CommandDescription
        }
        let text = CwayCommand._dumpHelp()
        return try JSONDecoder().decode(Tool.self, from: Data(text.utf8)).command
    }

    /// With all that it belongs to, from the program on.
    var path: [String] { (superCommands ?? []) + [commandName] }

    /// The commands that its help shows; `help` is every program's.
    var shown: [CommandDescription] {
        (subcommands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" }
    }

    /// It and all below it.
    var all: [CommandDescription] { [self] + shown.flatMap(\.all) }
}
