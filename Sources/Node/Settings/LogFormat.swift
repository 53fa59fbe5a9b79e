/// How a line of the log is written.
package enum LogFormat: String, CaseIterable, Sendable {
    /// For people: time, level, what happened, and about what.
    case plain
    /// For programs: an object for each line.
    case json
}
