/// Which lines of a log are written: each kind at most once a second about one subject, and ten times a second
/// about all together, so that nobody fills a disk or hides one line behind a thousand others.
///
/// A kind is a constant message. The number of lines left out goes with the next line of the kind. Time is an
/// argument; both tables are bounded.
package struct LogThrottle: Sendable {
    /// For how long a line counts.
    package static let interval = Duration.seconds(1)
    /// How many lines of a kind are written in an interval, about whomever they are.
    package static let kindLimit = 10
    /// How many subjects are remembered, over all kinds.
    ///
    /// Who comes with more is held by the kind's limit.
    package static let subjectCountLimit = 256
    /// How many kinds are remembered: more than there are, but a library may put values into its messages.
    package static let kindCountLimit = 256

    package typealias Instant = ContinuousClock.Instant

    private struct Subject: Hashable {
        let kind: String
        let name: String
    }

    private struct Kind {
        /// When the last lines were written, at most ``kindLimit``, the oldest first.
        var times: [Instant] = []
        var omittedCount = 0
        var seen: Instant
    }

    private var kinds: [String: Kind] = [:]
    private var subjects: [Subject: Instant] = [:]

    package init() {}

    /// How many subjects are remembered now.
    package var subjectCount: Int { subjects.count }

    /// How many kinds are remembered now.
    package var kindCount: Int { kinds.count }

    /// Decides about a line of a kind; a line without a subject has the kind's limit alone.
    ///
    /// - Returns: how many lines of the kind were left out since the last that was written, or `nil` to leave this one
    ///   out as well.
    package mutating func admit(_ name: String, about subject: String?, at now: Instant) -> Int? {
        var kind = kinds[name] ?? Kind(seen: now)
        kind.seen = now
        let key = subject.map { Subject(kind: name, name: $0) }
        let isFull = kind.times.count >= Self.kindLimit && now - kind.times[0] < Self.interval
        let isRepeated = key.flatMap { subjects[$0] }.map { now - $0 < Self.interval } ?? false
        guard !isFull, !isRepeated else {
            // A count that has come so far says enough.
            kind.omittedCount = min(kind.omittedCount + 1, Int.max - 1)
            put(kind, name)
            return nil
        }
        if kind.times.count >= Self.kindLimit { kind.times.removeFirst() }
        kind.times.append(now)
        let omittedCount = kind.omittedCount
        kind.omittedCount = 0
        put(kind, name)
        if let key { remember(key, at: now) }
        return omittedCount
    }

    /// Whether lines were left out of which no line has told yet.
    package var hasOmitted: Bool { kinds.values.contains { $0.omittedCount > 0 } }

    /// The kinds of which lines were left out that no later line has told of, with their number, which counts as told.
    package mutating func takeOmitted() -> [(kind: String, count: Int)] {
        var omitted: [(kind: String, count: Int)] = []
        for (name, kind) in kinds where kind.omittedCount > 0 {
            omitted.append((name, kind.omittedCount))
            kinds[name]?.omittedCount = 0
        }
        return omitted.sorted { $0.kind < $1.kind }
    }

    private mutating func put(_ kind: Kind, _ name: String) {
        if kinds[name] == nil, kinds.count >= Self.kindCountLimit,
            let stalest = kinds.min(by: { $0.value.seen < $1.value.seen })
        {
            kinds[stalest.key] = nil
        }
        kinds[name] = kind
    }

    /// Makes room first: those whose interval is over are of no use, and else the oldest goes.
    private mutating func remember(_ subject: Subject, at now: Instant) {
        if subjects[subject] == nil, subjects.count >= Self.subjectCountLimit {
            subjects = subjects.filter { now - $0.value < Self.interval }
            if subjects.count >= Self.subjectCountLimit,
                let oldest = subjects.min(by: { $0.value < $1.value })
            {
                subjects[oldest.key] = nil
            }
        }
        subjects[subject] = now
    }
}
