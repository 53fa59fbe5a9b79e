package import ArgumentParser
package import Logging
package import Node
package import SecretHandshake
package import TypedSodium

/// The options that every command has.
package struct CommonOptions: ParsableArguments, Sendable {
    /// The home folder, unless the environment or the default is meant.
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The folder with the identity and the settings.",
            discussion: "Default: the environment variable CWAY_HOME, else ~/.companionway.",
            valueName: "folder"),
        completion: .directory)
    package var home: String?

    /// How much to log.
    @Option(
        name: .long,
        help: ArgumentHelp(
            "How much to log to standard error: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "level"),
        completion: .list(Logger.Level.allCases.map(\.rawValue)),
        transform: { text in
            guard let level = Logger.Level(rawValue: text) else {
                throw ValidationError(
                    "Write one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            return level
        })
    package var logLevel: Logger.Level?

    /// How to write the log.
    @Option(
        name: .long,
        help: ArgumentHelp(
            "How to log: plain, for people, or json, an object for each line.", valueName: "format"),
        transform: { text in
            guard let format = LogFormat(rawValue: text) else {
                throw ValidationError("Write plain or json.")
            }
            return format
        })
    package var logFormat: LogFormat?

    @OptionGroup(title: RareOptions.title) private var rare: NetworkOptions

    /// The network to speak on.
    package var network: NetworkIdentifier? { rare.network }

    /// No options.
    package init() {}

    /// The flags among the settings; a command adds its own.
    package var flags: Settings.Flags {
        var flags = Settings.Flags()
        flags.logLevel = logLevel
        flags.logFormat = logFormat
        flags.network = network
        return flags
    }

    /// The home folder, made where it is missing.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/identityUnusable``, or ``ExitStatus/settingsUnusable`` for a log
    ///   level of the environment that is none: also where a command logs nothing and reads no settings.
    package func preparedHome() throws(CommandFailure) -> Home {
        if logLevel == nil {
            do throws(SettingsError) {
                try Settings.checkLogLevel(in: CommandEnvironment.current.environment)
            } catch {
                throw CommandFailure(.settingsUnusable, error)
            }
        }
        do throws(HomeError) {
            let home = try Home(path: home, environment: CommandEnvironment.current.environment)
            try home.prepare()
            return home
        } catch {
            throw CommandFailure(.identityUnusable, error)
        }
    }

    /// Who this node is; the first time, the identity is made.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/identityUnusable``.
    package func identity(in home: Home) throws(CommandFailure) -> (identity: Identity, isFresh: Bool) {
        do throws(SecretFileError) {
            return try SecretFile(in: home).loadOrCreate()
        } catch {
            throw CommandFailure(.identityUnusable, error)
        }
    }

    /// The settings, and a logger of their level that has been told of variables that mean nothing.
    ///
    /// - Parameters:
    ///   - home: where `config.json` is.
    ///   - flags: ``flags`` with the command's own.
    /// - Returns: both.
    /// - Throws: ``CommandFailure`` with ``ExitStatus/settingsUnusable``.
    package func settings(
        in home: Home, flags: Settings.Flags
    ) async throws(CommandFailure) -> (settings: Settings, logger: Logger) {
        let settings = try await readSettings(in: home, flags: flags)
        let logger = LogOutput.logger(level: settings.logLevel, format: settings.logFormat)
        for name in settings.unknownVariables {
            logger.warning(
                "an environment variable means nothing",
                metadata: ["name": "\(name)", "nearest": "\(Settings.variable(near: name) ?? "none")"])
        }
        return (settings, logger)
    }

    /// The settings alone, as they are now.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/settingsUnusable``.
    func readSettings(in home: Home, flags: Settings.Flags) async throws(CommandFailure) -> Settings {
        do throws(SettingsError) {
            return try await Settings.load(
                from: home, flags: flags, environment: CommandEnvironment.current.environment)
        } catch {
            throw CommandFailure(.settingsUnusable, error)
        }
    }
}

/// The options that nobody needs from day to day, in a section of the help text of their own.
enum RareOptions {
    static let title = "Rarely needed"
    /// As a line of usage has them.
    static let usage = ["[--network <identifier>]", "[--trust-clock]"]
}

/// On which network.
struct NetworkOptions: ParsableArguments, Sendable {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The network identifier in hexadecimal or Base64, if not the main Scuttlebutt network's.",
            valueName: "identifier"),
        transform: { text in
            guard let network = NetworkIdentifier(text: text) else {
                throw ValidationError(
                    "Write its 32 bytes as 64 hexadecimal digits or 44 characters of Base64.")
            }
            return network
        })
    var network: NetworkIdentifier?
}
