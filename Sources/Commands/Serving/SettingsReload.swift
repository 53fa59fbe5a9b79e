internal import Glibc
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
            LogOutput.change(to: settings.logLevel, settings.logFormat)
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

/// Runs a reload at each SIGHUP, one after the other, and tells the service manager of both its ends.
struct HangUpWatch: Service {
    let signals: UnixSignalsSequence
    let reload: SettingsReload

    /// Traps the signal from now on.
    init(_ reload: SettingsReload) async {
        signals = await UnixSignalsSequence(trapping: .sighup)
        self.reload = reload
    }

    func run() async throws {
        for await _ in signals.cancelOnGracefulShutdown() {
            ServiceManager.ofProcess.reloading()
            await reload.run()
            ServiceManager.ofProcess.ready()
        }
    }
}

/// What SIGHUP means to a process, decided when it starts.
///
/// A terminal that is closed sends it, and so does whoever wants the settings to be read again.
enum HangUp {
    /// Started from a terminal: the command ends in order, as at SIGTERM.
    case ends
    /// Without a terminal, or not to be touched by its end: the settings are read again.
    case reloads

    /// What it means to a command whose settings can be read again.
    static func ofProcess() -> HangUp {
        let hasTerminal = [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO].contains { isatty($0) == 1 }
        return hasTerminal && !isIgnored() ? .ends : .reloads
    }

    /// Whether it was ignored when the process was started, as by nohup(1), which is to stay so.
    static func isIgnored() -> Bool {
        let before = signal(SIGHUP, SIG_IGN)
        let isIgnored = unsafe unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        if !isIgnored { _ = signal(SIGHUP, before) }
        return isIgnored
    }
}
