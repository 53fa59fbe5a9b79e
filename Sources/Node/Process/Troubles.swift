internal import Logging
internal import Synchronization

/// Which troubles of a loop that tries again are to be said: each when it begins, and once an hour while it lasts.
///
/// Time is an argument; the table is bounded.
package struct Troubles: Sendable {
    /// After how long the same trouble is said again.
    package static let interval = Duration.seconds(3_600)
    /// How many are told apart: a loop has a handful, and beyond that each is new.
    package static let countLimit = 16

    package typealias Instant = ContinuousClock.Instant

    private struct Trouble {
        var saidAt: Instant
        var triesSince = 0
    }

    private var known: [String: Trouble] = [:]

    package init() {}

    /// Decides about one more try that has met a trouble.
    ///
    /// - Returns: how many tries met it unsaid since it was said last; `nil` where it is to be left unsaid again.
    package mutating func admit(_ name: String, at now: Instant) -> Int? {
        if var trouble = known[name], now - trouble.saidAt < Self.interval {
            trouble.triesSince += 1
            known[name] = trouble
            return nil
        }
        let triesSince = known[name]?.triesSince ?? 0
        if known[name] == nil, known.count >= Self.countLimit {
            known.min { $0.value.saidAt < $1.value.saidAt }.map { known[$0.key] = nil }
        }
        known[name] = Trouble(saidAt: now)
        return triesSince
    }

    /// It works: whatever comes next is new.
    ///
    /// - Returns: whether there was any trouble.
    @discardableResult
    package mutating func end() -> Bool {
        defer { known = [:] }
        return !known.isEmpty
    }
}

/// Writes the troubles of a loop, those that are left unsaid for who wants to see each try.
final class TroubleLog: Sendable {
    private let logger: Logger
    private let troubles = Mutex(Troubles())

    init(_ logger: Logger) { self.logger = logger }

    /// One more try has met a trouble; it is another one where it has another `name` or, without one, other words.
    func say(
        _ level: Logger.Level, _ message: Logger.Message, reason: String? = nil, as name: String? = nil
    ) {
        var metadata: Logger.Metadata = reason.map { ["reason": "\($0)"] } ?? [:]
        let now = ContinuousClock.now
        let triesSince = troubles.withLock { $0.admit(name ?? "\(message): \(reason ?? "")", at: now) }
        guard let triesSince else { return logger.debug(message, metadata: metadata) }
        if triesSince > 0 { metadata["tries"] = "\(triesSince + 1)" }
        logger.log(level: level, message, metadata: metadata)
    }

    /// It works; whether there was any trouble.
    @discardableResult
    func end() -> Bool { troubles.withLock { $0.end() } }
}
