internal import Node
internal import Stamp

/// The manual: a page for each command, made of what its help says, and one for the settings file.
package struct ManualPages {
    private static let settingsPage = "companionway.json.5"

    private let day: String
    private let commands: [CommandDescription]

    /// The pages of this version, which bear that date.
    ///
    /// - Throws: what Foundation says of a description that it does not understand, which tests would have found.
    package init(day: String) throws {
        self.day = day
        commands = try CommandDescription.ofProgram().all
    }

    /// The names of all files.
    package var names: [String] {
        commands.map { Self.name(of: $0) + ".1" } + [Self.settingsPage]
    }

    /// What stands in a file; `nil` where there is none of that name.
    package func text(of name: String) -> String? {
        if name == Self.settingsPage { return settings() }
        return commands.first { Self.name(of: $0) + ".1" == name }.map(page(of:))
    }

    private static func name(of command: CommandDescription) -> String {
        command.path.joined(separator: "-")
    }

    private func start(_ name: String, section: Int, _ summary: String) -> ManualText {
        var page = ManualText(name, section: section, day: day, source: "Companionway \(Version.number)")
        page.section("Name")
        page.say("\(name) - \(summary)")
        return page
    }

    // MARK: Commands

    private func page(of command: CommandDescription) -> String {
        let parts = HelpParts(command.discussion ?? "")
        var page = start(Self.name(of: command), section: 1, Self.summary(command))
        page.section("Synopsis")
        page.say(marked: Self.synopsis(command))
        page.section("Description")
        page.say(command.abstract ?? "")
        for paragraph in parts.paragraphs {
            page.paragraph()
            page.say(paragraph)
        }
        if !command.shown.isEmpty {
            page.section("Commands")
            for child in command.shown {
                page.item(ManualText.bold(child.path.joined(separator: " ")), [child.abstract ?? ""])
            }
        }
        Self.add(command.arguments ?? [], to: &page)
        for (title, lines) in parts.sections {
            page.section(title == "EXIT CODES" ? "Exit status" : title)
            page.literally(lines)
        }
        addEnvironment(of: command, to: &page)
        page.section("See also")
        page.say(marked: kin(of: command).map { "\(ManualText.bold($0.0))(\($0.1))" }.joined(separator: ", "))
        return page.text
    }

    /// The abstract as the line that apropos(1) shows.
    private static func summary(_ command: CommandDescription) -> String {
        let text = (command.abstract ?? "").split(separator: ". ").first.map(String.init) ?? ""
        let bare = text.hasSuffix(".") ? String(text.dropLast()) : text
        return bare.prefix(1).lowercased() + bare.dropFirst()
    }

    private static func synopsis(_ command: CommandDescription) -> String {
        let name = ManualText.bold(command.path.joined(separator: " "))
        guard command.shown.isEmpty else {
            return "\(name) \(ManualText.italic("command")) [\(ManualText.italic("option"))...]"
        }
        let arguments = (command.arguments ?? []).filter { $0.shouldDisplay && $0.sectionTitle == nil }
        return ([name] + arguments.filter { !isCommon($0) }.map(inLine)).joined(separator: " ")
    }

    /// What every command has.
    private static func isCommon(_ argument: CommandDescription.Argument) -> Bool {
        ["version", "help", "log-level", "home"].contains(argument.preferredName?.name)
    }

    private static func inLine(_ argument: CommandDescription.Argument) -> String {
        var text = term(argument, names: argument.preferredName.map { [$0.text] } ?? [])
        if argument.isOptional { text = "[\(text)]" }
        return argument.isRepeating ? text + "..." : text
    }

    private static func term(_ argument: CommandDescription.Argument, names: [String]) -> String {
        let value = argument.value.map(ManualText.italic)
        guard !argument.isPositional else { return value ?? "" }
        let name = names.map(ManualText.bold).joined(separator: ", ")
        return value.map { "\(name) \($0)" } ?? name
    }

    /// The options by sections, as the help has them.
    private static func add(_ arguments: [CommandDescription.Argument], to page: inout ManualText) {
        let shown = arguments.filter(\.shouldDisplay)
        var titles = ["Arguments", "Options"]
        func title(_ argument: CommandDescription.Argument) -> String {
            argument.isPositional ? titles[0] : argument.sectionTitle ?? titles[1]
        }
        for argument in shown where !titles.contains(title(argument)) { titles.append(title(argument)) }
        for heading in titles {
            let group = shown.filter { title($0) == heading }
            guard !group.isEmpty else { continue }
            page.section(heading)
            for argument in group {
                let said = [argument.abstract, argument.discussion].compactMap(\.self)
                let standard = argument.defaultValue.map { "Default: \($0)." } ?? ""
                let isSaid = said.contains { $0.contains("Default:") }
                page.item(
                    term(argument, names: (argument.names ?? []).map(\.text)), said + [isSaid ? "" : standard]
                )
            }
        }
    }

    private func addEnvironment(of command: CommandDescription, to page: inout ManualText) {
        guard command.path.count == 1 else { return }
        page.section("Environment")
        page.item(ManualText.bold(Home.variable), ["The home folder, unless --home names one."])
        page.item(
            ManualText.bold(SettingsSource.variable),
            ["The settings file, in the place of config.json in the home folder."])
        page.item(
            ManualText.bold(ProcessSetup.cipherVariable),
            ["The cipher: see cway doctor for those that are here."])
        page.say("Each setting has a variable too, see companionway.json(5).")
        page.section("Files")
        page.item(
            ManualText.bold("~/.companionway"),
            ["The home folder, with the identity, the keyring and the settings."])
        page.item(
            ManualText.bold("/etc/companionway/portal.json"), ["The settings of the portal of a package."])
    }

    private func kin(of command: CommandDescription) -> [(String, Int)] {
        let parent = command.path.dropLast().joined(separator: "-")
        let above = parent.isEmpty ? [] : [(parent, 1)]
        return above + command.shown.map { (Self.name(of: $0), 1) } + [("companionway.json", 5)]
    }

    // MARK: Settings

    private func settings() -> String {
        var page = start("companionway.json", section: 5, "settings of cway")
        page.section("Description")
        page.say(
            "A JSON object: config.json in the home folder (~/.companionway), or the file that the variable "
                + "\(SettingsSource.variable) names. A dot in a name leads into an object: limits.memory is "
                + "{\"limits\": {\"memory\": ...}}. A key that is not listed here, one that is there twice, and a value "
                + "of another shape are errors. An option of a command comes before the variable, the variable before "
                + "the file. A list in a variable has commas.")
        page.paragraph()
        page.say(
            "A running portal or node reads the file again at SIGHUP; some changes wait for the next start.")
        page.section("Keys")
        for key in SettingKey.allCases {
            let meaning = key.meaning
            let change = meaning.change == .reload ? "at a reload" : "from the next start on"
            let variable = key == .instances ? "." : ". Variable: \(key.variable)."
            page.item(
                ManualText.bold(key.rawValue),
                [
                    "Takes \(meaning.takes). Default: \(meaning.standard). For: \(meaning.readers). A change counts "
                        + "\(change)\(variable)", "Example: \(key.example)",
                ])
        }
        page.section("See also")
        page.say(marked: "\(ManualText.bold("cway"))(1), \(ManualText.bold("cway-settings"))(1)")
        return page.text
    }
}

/// What a command's discussion is made of: paragraphs, and parts under a heading in capitals, whose lines are indented.
struct HelpParts {
    private(set) var paragraphs: [String] = []
    private(set) var sections: [(title: String, lines: [String])] = []

    init(_ text: String) {
        var isInSection = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init) {
            if line.allSatisfy({ $0.isUppercase || $0 == " " }) {
                sections.append((line, []))
                isInSection = true
            } else if isInSection, line.hasPrefix(" ") {
                sections[sections.count - 1].lines.append(line.trimmed)
            } else {
                isInSection = false
                paragraphs.append(line)
            }
        }
    }
}
