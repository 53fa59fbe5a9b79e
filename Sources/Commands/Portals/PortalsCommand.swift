internal import ArgumentParser

/// `cway portals`: where this node announces itself.
struct PortalsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "portals",
        abstract: "The portals at which this node announces itself, and what each of them sees.",
        discussion: """
            A portal where this node is hidden knows it by a pseudonym of its own, and passes on only those who show \
            a token that friends compute. One where it is open knows its id, and passes on whoever asks for that. \
            A node that runs follows changes within a second.

            EXAMPLES
              cway portals add net:portal.example.org:8008~shs:KEY=
              cway portals list
              cway portals open portal.example.org:8008
            """,
        subcommands: [
            PortalsAddCommand.self, PortalsListCommand.self, PortalsRemoveCommand.self,
            PortalsOpenCommand.self, PortalsHideCommand.self,
        ],
        defaultSubcommand: PortalsListCommand.self)
}
