internal import ArgumentParser
internal import Multiserver
internal import Node
internal import Sodium

/// The commands by their names, for what is said of a command line that cannot be understood.
struct CommandTree {
    /// What it is called, with all that it belongs to: `cway friend allow`.
    let path: String
    let command: any ParsableCommand.Type
    let children: [CommandTree]

    init(_ command: any ParsableCommand.Type, below parent: String? = nil) {
        let configuration = command.configuration
        let name = configuration.commandName ?? "\(command)"
        let path = parent.map { "\($0) \(name)" } ?? name
        self.path = path
        self.command = command
        children = configuration.subcommands.map { CommandTree($0, below: path) }
    }

    var name: Substring { path.split(separator: " ").last ?? "" }

    /// Those that its help shows.
    var shownChildren: [CommandTree] { children.filter { $0.command.configuration.shouldDisplay } }

    /// How far a command line can be followed, and the first word where only the name of a command may stand, if that
    /// is none.
    func follow(_ arguments: some Sequence<String>) -> (command: CommandTree, unknownWord: String?) {
        var place = self
        for argument in arguments {
            // What is behind an option may be its value.
            guard !place.children.isEmpty, !argument.hasPrefix("-") else { break }
            guard let child = place.children.first(where: { $0.name == argument }) else {
                return (place, argument)
            }
            place = child
        }
        return (place, nil)
    }

    /// The command that runs when this one is given no name of another.
    var running: CommandTree {
        guard let standing = command.configuration.defaultSubcommand else { return self }
        return children.first { $0.command == standing } ?? self
    }

    /// What to type, without the options that every command has.
    var usage: String {
        guard !children.isEmpty, command.configuration.defaultSubcommand == nil else {
            let usage = CwayCommand.usageString(for: running.command)
            return Self.commonOptions.reduce(usage) { $0.replacing(" \($1)", with: "") }
        }
        return commandList
    }

    /// Its commands, to choose one.
    var commandList: String { "\(path) \(shownChildren.map { String($0.name) }.joined(separator: "|"))" }

    private static let commonOptions = ["[--home <folder>]", "[--log-level <level>]"] + RareOptions.usage
}

// MARK: Nearest

extension CommandTree {
    private static let suggestionLimit = 3

    /// What may have been meant by a word in the place of one of the children's names, with full names; empty where
    /// nothing is near.
    func suggestions(for word: String, in root: CommandTree) -> [String] {
        if let commands = commands(forValue: word) { return commands.map { "\(root.path) \($0)" } }
        let word = word.lowercased()
        if word == "help" { return ["\(root.path) help" + path.dropFirst(root.path.count)] }
        if let known = OtherWords.meanings[path]?[word] { return known.map { "\(root.path) \($0)" } }
        let near = nearest(to: word)
        if !near.isEmpty { return near }
        let kin = OtherWords.kin.first { $0.contains(word) } ?? []
        let related = shownChildren.filter { kin.contains(String($0.name)) }.map(\.path)
        if !related.isEmpty { return Array(related.prefix(Self.suggestionLimit)) }
        return Array(root.paths(ofCommandsCalled: word).prefix(Self.suggestionLimit))
    }

    /// Commands that take what stands in the place of a command, without the program's name; `nil` where it is no value.
    private func commands(forValue word: String) -> [String]? {
        if CodeText.invite(in: word) != nil { return ["join"] }
        if CodeText.portalInvite(in: word) != nil { return ["portals add"] }
        if CodeText.address(in: word) != nil {
            return name == "portals" ? ["portals add"] : ["connect", "portals add"]
        }
        if (try? PublicKey(id: word)) != nil { return ["friend show", "friend allow"] }
        let isPlace = (try? ListenAddress(word)) != nil && (word.contains(":") || word.allSatisfy(\.isNumber))
        return name == "portal" && isPlace ? ["portal --listen \(word)"] : nil
    }

    /// The children whose names are the least typing errors away, where those are few for the word's length.
    private func nearest(to word: String) -> [String] {
        let distances = shownChildren.map { ($0.path, NearestName.distance(from: word, to: String($0.name))) }
        guard let least = distances.map(\.1).min(), least <= max(1, word.count / 3) else { return [] }
        return distances.filter { $0.1 == least }.map(\.0).prefix(Self.suggestionLimit).map { $0 }
    }

    private func paths(ofCommandsCalled name: String) -> [String] {
        shownChildren.flatMap { ($0.name == name ? [$0.path] : []) + $0.paths(ofCommandsCalled: name) }
    }
}

/// Words of other programs, and of people, for what is called otherwise here.
package enum OtherWords {
    /// What is meant by a word that is none of a command's own, without the program's name.
    package static let meanings: [String: [String: [String]]] = [
        "cway": [
            "accept": ["join"], "add": ["portals add", "invite create", "join"], "backup": ["keyring backup"],
            "check": ["doctor"], "create": ["invite create"], "forward": ["connect"], "init": ["id"],
            "list": ["friend list", "portals list"], "login": ["join"],
            "ls": ["friend list", "portals list"],
            "open": ["connect"], "peer": ["friend list"], "peers": ["friend list"], "ping": ["speedtest"],
            "pair": ["invite create", "join"], "redeem": ["join"], "relay": ["portal"],
            "restore": ["keyring restore"], "revoke": ["invite revoke"], "room": ["portal"], "run": ["serve"],
            "server": ["serve", "portal"], "share": ["serve"], "ssh": ["connect"],
            "start": ["serve", "portal"],
            "status": ["doctor"], "test": ["doctor", "speedtest"], "tunnel": ["connect"], "up": ["serve"],
            "version": ["--version"], "whoami": ["id"],
        ],
        "cway friend": [
            "accept": ["join"], "add": ["friend allow", "invite create"],
            "create": ["friend allow", "invite create"], "invite": ["invite create"],
            "new": ["invite create"],
        ],
        "cway portals": ["join": ["portals add"], "run": ["portal run"], "start": ["portal run"]],
        "cway portal": ["add": ["portal members add"], "remove": ["portal members remove"]],
        "cway portal invites": [
            "add": ["portal invite"], "create": ["portal invite"], "new": ["portal invite"],
        ],
        "cway keyring": ["export": ["keyring backup"], "import": ["keyring restore"]],
    ]

    /// Words that programs use for the same.
    static let kin: [Set<String>] = [
        ["add", "allow", "create", "make", "new", "permit", "grant"],
        ["remove", "revoke", "delete", "del", "rm", "deny", "block", "ban", "forget", "kick"],
        ["list", "ls", "show", "get", "info", "all", "view", "status"],
        ["rename", "mv", "name", "move"],
        ["run", "start", "serve", "up", "listen"],
    ]
}
