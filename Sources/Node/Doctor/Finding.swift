/// What the doctor found at one hop.
public struct Finding: Equatable, Sendable {
    /// How bad it is.
    public enum Verdict: String, Sendable {
        /// As it should be.
        case good
        /// It works, and something is odd.
        case odd
        /// It does not work.
        case bad
    }

    /// What was looked at: `keyring`, `portal HOST:PORT`, `friend NAME at HOST:PORT`.
    public let hop: String
    /// How bad it is.
    public let verdict: Verdict
    /// What was found.
    public let words: String
    /// What to do about it; `nil` where there is nothing to be done.
    public let remedy: String?

    init(_ hop: String, _ verdict: Verdict, _ words: String, remedy: String? = nil) {
        self.hop = hop
        self.verdict = verdict
        self.words = words
        self.remedy = remedy
    }
}
