public import Logging
internal import Synchronization

/// Logging of the command line: to standard error, because standard output belongs to results.
public enum LogOutput {
    private static let level = Mutex(LogLevel(.info))

    /// Once per process, which swift-log insists on; also for the loggers that libraries make themselves.
    private static let isReady: Void = LoggingSystem.bootstrap { label in
        QueuedLogHandler(label: label, sink: .standardError, level: level.withLock { $0 })
    }

    /// The logger of a command; loggers made from now on have this level too, and follow its changes.
    public static func logger(_ label: String = "cway", level chosen: Logger.Level) -> Logger {
        _ = isReady
        level.withLock { $0 = LogLevel(chosen) }
        return Logger(label: label)
    }

    /// Changes the level of the command's logger, and of those that follow it.
    static func change(to chosen: Logger.Level) { level.withLock { $0.value = chosen } }

    /// Waits a moment at the end of the process for what is queued, and no longer than that.
    static func finish() { LogSink.standardError.finish() }
}
