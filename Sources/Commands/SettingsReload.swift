internal import Logging
internal import Node
internal import ServiceLifecycle
internal import UnixSignals

/// Reads the settings of a running process again, and hands them to who follows them.
actor SettingsReload {
    /// The settings that count from now on, each time that they have changed.
    nonisolated let changes: AsyncStream<Settings>

    private let continuation: AsyncStream<Settings>.Continuation
    private let logger: Logger
    private let read: @Sendable () async throws(CommandFailure) -> Settings
    private var settings: Settings

    /// Begins with the settings that the process has started with; `read` gets and checks them as at the start.
    init(
        _ settings: Settings, logger: Logger,
        read: @escaping @Sendable () async throws(CommandFailure) -> Settings
    ) {
        (changes, continuation) = AsyncStream.makeStream(of: Settings.self)
        self.settings = settings
        self.logger = logger
        self.read = read
    }

    /// Reads them again; whatever is wrong with them leaves those that count as they are.
    func run() async {
        do throws(CommandFailure) {
            var settings = try await read()
            let (changed, delayed) = settings.follow(self.settings)
            if !delayed.isEmpty {
                logger.warning(
                    "settings that count when this is started again",
                    metadata: ["settings": Self.names(delayed)])
            }
            guard settings != self.settings else {
                return logger.info("the settings were read again, and are as before")
            }
            self.settings = settings
            LogOutput.change(to: settings.logLevel)
            continuation.yield(settings)
            logger.info("the settings were read again", metadata: ["changed": Self.names(changed)])
        } catch {
            logger.error("the settings stay as they were", metadata: ["reason": "\(error.message)"])
        }
    }

    private static func names(_ keys: [SettingKey]) -> Logger.MetadataValue {
        "\(keys.map(\.rawValue).joined(separator: ", "))"
    }
}

/// Runs a reload at each SIGHUP, one after the other.
struct HangUpWatch: Service {
    let signals: UnixSignalsSequence
    let reload: SettingsReload

    /// Traps the signal from now on.
    init(_ reload: SettingsReload) async {
        signals = await UnixSignalsSequence(trapping: .sighup)
        self.reload = reload
    }

    func run() async throws {
        for await _ in signals.cancelOnGracefulShutdown() { await reload.run() }
    }
}
