public import Logging
internal import Synchronization

/// Logging of the command line: to standard error, because standard output belongs to results.
public enum LogOutput {
    private static let level = Mutex(Logger.Level.info)

    /// Once per process, which swift-log insists on; also for the loggers that libraries make themselves.
    private static let isReady: Void = LoggingSystem.bootstrap { label in
        var handler = StreamLogHandler.standardError(label: label)
        handler.logLevel = level.withLock { $0 }
        return handler
    }

    /// The logger of a command; loggers made from now on have this level too.
    public static func logger(_ label: String = "cway", level chosen: Logger.Level) -> Logger {
        level.withLock { $0 = chosen }
        _ = isReady
        var logger = Logger(label: label)
        logger.logLevel = chosen
        return logger
    }
}
