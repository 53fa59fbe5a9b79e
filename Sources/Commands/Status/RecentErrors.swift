internal import Logging
internal import Node
internal import Synchronization
internal import Watching

/// What this process has logged lately as a warning or worse, each kind once.
final class RecentErrors: Sendable {
    /// How many kinds are remembered; the one that was last seen longest ago goes first.
    static let limit = 8

    /// Those of the process.
    static let ofProcess = RecentErrors()

    /// What a line says besides its kind, for the sentence, in this order.
    private static let keys = ["portal", "friend", "peer", "source", "service", "reason", "error"]

    private let errors = Mutex<[(kind: String, report: ErrorReport)]>([])

    /// The errors, the newest first.
    var reports: [ErrorReport] { errors.withLock { $0.reversed().map(\.report) } }

    /// Takes note of a line of the log.
    func note(_ kind: String, _ values: Logger.Metadata, level: Logger.Level, at time: UInt64) {
        let details = Self.keys.compactMap { key in values[key].map { "\(key) \($0)" } }
        let text = ([kind] + details).joined(separator: ", ").printableLine
        errors.withLock { errors in
            var count = 1
            if let index = errors.firstIndex(where: { $0.kind == kind }) {
                count += errors.remove(at: index).report.count
            } else if errors.count == Self.limit {
                errors.removeFirst()
            }
            let remedy = values["remedy"].map { "\($0)".printableLine }
            errors.append(
                (kind, ErrorReport(at: time, level: level.rawValue, text: text, remedy: remedy, count: count))
            )
        }
    }
}
