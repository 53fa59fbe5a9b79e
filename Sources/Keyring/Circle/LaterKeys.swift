package import Blinding

/// Keys that begin on a later day than today, as they do once they were moved on under a clock that was ahead.
///
/// No address of today is written or resolved with them, and the keys of before cannot be had back.
package struct LaterKeys: Hashable, Sendable {
    /// The day on which the owner's own begins; `nil` where it tells today.
    package internal(set) var own: Epoch?
    /// Those whose circle's key is one, by name.
    package internal(set) var friends: [Friend] = []

    /// Whether every key tells today.
    package var isEmpty: Bool { own == nil && friends.isEmpty }
}
