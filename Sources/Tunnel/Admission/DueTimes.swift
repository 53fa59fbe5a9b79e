internal import NIOCore

/// When something is due of each of many, and which is the first.
struct DueTimes<Subject: Hashable> {
    private var times: [Subject: NIODeadline] = [:]
    /// The earliest, where it is known.
    private var known: NIODeadline?
    private var isKnown = true

    /// When something is due of a subject.
    subscript(subject: Subject) -> NIODeadline? {
        get { times[subject] }
        set {
            let former = times[subject]
            times[subject] = newValue
            if let former, former == known { isKnown = false }
            if isKnown, let newValue, newValue < known ?? .distantFuture { known = newValue }
        }
    }

    /// The earliest time.
    var first: NIODeadline? {
        mutating get {
            if !isKnown {
                known = times.values.min()
                isKnown = true
            }
            return known
        }
    }

    /// Whose time has come.
    mutating func due(at now: NIODeadline) -> [Subject] {
        guard let first, first <= now else { return [] }
        return times.filter { $0.value <= now }.map(\.key)
    }
}
