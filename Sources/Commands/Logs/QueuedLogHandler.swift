package import Logging
internal import Node
internal import Synchronization
internal import Transport

/// A level that several loggers have in common, and that may change while they are in use.
final class LogLevel: Sendable {
    private let place: Atomic<Int>

    init(_ level: Logger.Level) { place = Atomic(Self.place(of: level)) }

    var value: Logger.Level {
        get { Logger.Level.allCases[place.load(ordering: .relaxed)] }
        set { place.store(Self.place(of: newValue), ordering: .relaxed) }
    }

    private static func place(of level: Logger.Level) -> Int {
        Logger.Level.allCases.firstIndex(of: level) ?? 0
    }
}

/// Formats a log line and queues it: the one place where values become text, in plain characters.
struct QueuedLogHandler: LogHandler {
    /// Whom a line is about, where it says so, in this order: a line about the same one is a repetition.
    ///
    /// Nothing else a peer can choose is among them, or it would get a line of its own for each.
    static let subjectKeys = ["id", "friend", "invite", "peer", "from", "endpoint", "source"]
    /// A subject is compared up to here, in characters.
    private static let subjectLimit = 128

    let label: String
    let sink: LogSink
    /// The level of all loggers that were made alike, until this one is given its own.
    private var level: LogLevel
    var logLevel: Logger.Level {
        get { level.value }
        set { level = LogLevel(newValue) }
    }
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, sink: LogSink, level: LogLevel) {
        self.label = label
        self.sink = sink
        self.level = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let kind = "\(event.message)"
        var values = metadata
        values.merge(metadataProvider?.get() ?? [:]) { $1 }
        values.merge(event.metadata ?? [:]) { $1 }
        if let error = event.error { values["error"] = "\(error)" }
        if event.level >= .warning {
            RecentErrors.ofProcess.note(kind, values, level: event.level, at: WallClock.seconds())
        }
        let subject = Self.subjectKeys.lazy.compactMap { values[$0] }.first.map {
            String("\($0)".prefix(Self.subjectLimit))
        }
        sink.log(kind, about: subject) { omittedCount in
            let line = LogLine(
                time: WallClock.seconds(), level: event.level, kind: kind, module: event.source,
                values: values,
                omittedCount: omittedCount)
            return line.text(LogOutput.format) + "\n"
        }
    }
}

/// Logging of the command line: to standard error, because standard output belongs to results.
package enum LogOutput {
    private static let level = Mutex(LogLevel(.info))
    private static let style = Mutex(LogFormat.plain)

    /// How lines are written.
    package static var format: LogFormat { style.withLock(\.self) }

    /// Once per process, which swift-log insists on; also for the loggers that libraries make themselves.
    private static let isReady: Void = LoggingSystem.bootstrap { label in
        QueuedLogHandler(label: label, sink: .standardError, level: level.withLock { $0 })
    }

    /// The logger of a command; loggers made from now on have this level too, and follow its changes.
    package static func logger(
        _ label: String = "cway", level chosen: Logger.Level, format: LogFormat = .plain
    ) -> Logger {
        _ = isReady
        style.withLock { $0 = format }
        level.withLock { $0 = LogLevel(chosen) }
        return Logger(label: label)
    }

    /// Changes the level of the command's logger, and of those that follow it, and how lines are written.
    static func change(to chosen: Logger.Level, _ format: LogFormat) {
        level.withLock { $0.value = chosen }
        style.withLock { $0 = format }
    }

    /// Waits a moment at the end of the process for what is queued, and no longer than that.
    static func finish() { LogSink.standardError.finish() }
}
