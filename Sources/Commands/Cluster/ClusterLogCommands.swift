internal import ArgumentParser
internal import Cluster
internal import Node

/// `cway portal cluster import`: begins the log of policy with the keyring of this home.
struct ClusterImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Begin the cluster's log of policy with what this home says, once.",
        discussion: """
            Members, invites, denials and policy of a portal that was on one machine become the beginning of the log that \
            all its machines follow. No portal may run from this home meanwhile. Where it breaks off, run it again. It \
            refuses where there is a log already.

            EXAMPLES
              cway portal cluster import
            """)

    @OptionGroup private var options: KeyringOptions

    func run() async throws {
        let opened = try options.open()
        let lock = try opened.servingLock()
        let count = try await PolicyWriting(options).share(opened) { try await $0.policy.beginFromKeyring() }
        let words = count == 1 ? "1 record" : "\(count) records"
        try CommandEnvironment.current.print("the log of policy has \(words)")
        _ = consume lock
    }
}

/// `cway portal cluster adopt`: takes the log's word in this home.
struct ClusterAdoptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt",
        abstract: "Forget what this home says of the portal, and take the cluster's log of policy for it.",
        discussion: """
            For a home that says who may do what by itself: of another machine before, or changed while its portal ran \
            without --cluster. Its members, invites and denials are forgotten. No portal may run from this home meanwhile.

            EXAMPLES
              cway portal cluster adopt
            """)

    @OptionGroup private var options: KeyringOptions

    func run() async throws {
        let opened = try options.open()
        let lock = try opened.servingLock()
        let index = try await PolicyWriting(options).share(opened) { session in
            try await session.policy.adopt()
            return session.policy.mark.index
        }
        try CommandEnvironment.current.print("this home follows the log of policy, up to record \(index)")
        _ = consume lock
    }
}
