package import Keyring
package import Logging
internal import NATS
internal import Transport
package import TypedSodium

/// The log of policy for as long as a command needs it: a process that changes it and is no machine of the cluster.
///
/// It applies the log to the keyring of its home, as a machine does that runs from the same home: each record is one
/// transaction, whichever of the two makes it.
package struct PolicySession: Sendable {
    /// The log.
    package let policy: SharedPolicy
    private let publisher: EnginePublisher

    /// Begins to connect to the NATS that settings name.
    ///
    /// - Throws: `NATSIdentityError`, `NATSError`, `KeyringError`, `SodiumError`.
    package init(
        _ settings: ClusterSettings, _ keyring: Keyring, of portal: Identity, logger: Logger
    ) throws {
        var nats = NATSSettings(servers: settings.servers.map(\.url), name: "companionway command")
        nats.credentials = try NATSIdentity.credentials(of: settings)
        nats.authorityFile = settings.authorityFile
        publisher = EnginePublisher(try NATSConnection(nats) { _ in })
        policy = try SharedPolicy(
            keyring, of: portal, through: PublisherCaller(publisher), logger: logger)
    }

    /// Ends the connection.
    package func close() async { try? await publisher.close() }
}
