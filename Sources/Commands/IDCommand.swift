package import ArgumentParser
internal import FoundationEssentials
internal import Multiserver
internal import TypedSodium

/// `cway id`: who this node is.
package struct IDCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    package static let configuration = CommandConfiguration(
        commandName: "id",
        abstract: "Print this node's id, and create the identity if there is none.",
        discussion: """
            The identity stands in the file 'secret' of the home folder, in the format of other SSB programs. It is \
            created once and never overwritten. Whoever has the file is you: keep a backup and show it to nobody.

            EXAMPLES
              cway id
              cway id --json | jq -r .id
              cway id --home /srv/portal
            """)

    @OptionGroup private var common: CommonOptions

    @Flag(name: .long, help: "Print JSON: the id, and whether it has just been created.")
    private var json = false

    /// Made by ArgumentParser.
    package init() {}

    /// Prints the id.
    package func run() async throws {
        let (identity, isFresh) = try common.identity(in: common.preparedHome())
        let id = identity.publicKey.id
        guard json else { return try CommandEnvironment.current.print(id) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let report = try encoder.encode(Report(id: id, created: isFresh))
        try CommandEnvironment.current.print(json: String(decoding: report, as: UTF8.self))
    }

    private struct Report: Encodable {
        let id: String
        let created: Bool
    }
}
