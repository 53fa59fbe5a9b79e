package import ArgumentParser

/// `cway portal`: runs a portal, and says who may use it.
package struct PortalCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    package static let configuration = CommandConfiguration(
        commandName: "portal",
        abstract: "Run a portal, through which nodes behind NATs are reached, and say who may use it.",
        discussion: """
            Without a subcommand it runs the portal; 'cway portal run --help' lists the options. The others change \
            what its keyring says of members and of those who are denied; a portal that runs from the same home \
            follows within a second.

            EXAMPLES
              cway portal --listen '*:8008' --public-host portal.example.org
              cway portal policy --announce members
              cway portal invite --label "Anna's server" --public-host portal.example.org:8008
              cway portal deny @ID.ed25519
            """,
        subcommands: [
            PortalRunCommand.self, PortalPolicyCommand.self, PortalInviteCommand.self,
            PortalInvitesCommand.self, PortalMembersCommand.self, PortalDenyCommand.self,
            PortalAllowCommand.self,
        ],
        defaultSubcommand: PortalRunCommand.self)

    /// Made by ArgumentParser.
    package init() {}
}
