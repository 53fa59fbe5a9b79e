internal import Keyring
internal import Logging
internal import Node
internal import TypedSodium

/// Writes what a portal's operator decides: into the keyring of its home, or, where its settings say that the portal is on
/// several machines, into their log.
struct PolicyWriting {
    private let options: KeyringOptions

    init(_ options: KeyringOptions) { self.options = options }

    /// Opens the keyring, and lends what writes.
    ///
    /// - Throws: ``CommandFailure``.
    func write<Result: Sendable>(
        _ body: (OpenedKeyring, PolicyAuthor) async throws -> Result
    ) async throws -> Result {
        let opened = try options.open()
        let settings = try await options.common.readSettings(in: opened.home, flags: options.common.flags)
        guard settings.cluster.isOn else {
            do {
                return try await body(opened, PolicyAuthor(opened.keyring, nil))
            } catch {
                throw CommandFailure(cause: error)
            }
        }
        return try await share(opened) { session in
            try await session.policy.start()
            return try await body(opened, PolicyAuthor(opened.keyring, session.policy))
        }
    }

    /// Serves somebody in nothing any more: in this home at once, whatever becomes of NATS and the log.
    ///
    /// - Throws: ``CommandFailure``.
    func deny(_ key: PublicKey) async throws(CommandFailure) -> SharedPolicy.DenialStanding {
        let opened = try options.open()
        let settings = try await options.common.readSettings(in: opened.home, flags: options.common.flags)
        do {
            guard settings.cluster.isOn else { return try await PolicyAuthor(opened.keyring, nil).deny(key) }
            try PolicyAuthor.denyUrgently(key, in: opened.keyring)
        } catch {
            throw CommandFailure(cause: error)
        }
        do throws(CommandFailure) {
            return try await share(opened) { session in
                try await session.policy.start()
                return try await session.policy.deny(key)
            }
        } catch {
            return .urgent(error.message)
        }
    }

    /// Lends the log of the machines that the settings say that the portal has.
    ///
    /// - Throws: ``CommandFailure``, where they say of none too.
    func share<Result: Sendable>(
        _ opened: OpenedKeyring, _ body: (PolicySession) async throws -> Result
    ) async throws(CommandFailure) -> Result {
        let (settings, logger) = try await options.common.settings(
            in: opened.home, flags: options.common.flags)
        guard settings.cluster.isOn else {
            throw CommandFailure(
                .usage,
                "the settings name no NATS: write \(SettingKey.clusterServers.rawValue) into config.json, or set "
                    + "\(SettingKey.clusterServers.variable)")
        }
        do {
            let session = try PolicySession(
                settings.cluster, opened.keyring, of: opened.identity, logger: logger)
            do {
                let result = try await body(session)
                await session.close()
                return result
            } catch {
                await session.close()
                throw error
            }
        } catch {
            throw CommandFailure(cause: error)
        }
    }
}
