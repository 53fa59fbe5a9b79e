public import Logging
internal import Synchronization

/// Logging of the command line: to standard error, because standard output belongs to results.
public enum LogOutput {
    private static let level = Mutex(Logger.Level.info)

    /// Once per process, which swift-log insists on; also for the loggers that libraries make themselves.
    private static let isReady: Void = LoggingSystem.bootstrap { label in
        QueuedLogHandler(label: label, sink: .standardError, logLevel: level.withLock { $0 })
    }

    /// The logger of a command; loggers made from now on have this level too.
    public static func logger(_ label: String = "cway", level chosen: Logger.Level) -> Logger {
        level.withLock { $0 = chosen }
        _ = isReady
        var logger = Logger(label: label)
        logger.logLevel = chosen
        return logger
    }

    /// Waits a moment at the end of the process for what is queued, and no longer than that.
    static func finish() { LogSink.standardError.finish() }
}
