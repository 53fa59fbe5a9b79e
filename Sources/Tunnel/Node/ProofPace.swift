public import NIOCore

/// Lets every proof that is turned down take the same time, whatever is wrong with it.
///
/// A proof that was made for another key is a box that does not open, and costs next to nothing; one that was made for
/// ours costs a signature and a key agreement. A portal that puts a question behind the proof would learn from the time to
/// the answer whether it has guessed whose endpoint it is.
public protocol ProofPace: Sendable {
    /// The time of a clock that never goes back.
    func now() -> NIODeadline

    /// Does nothing until then, and lets nothing else of the connection be done.
    func hold(until deadline: NIODeadline)
}
