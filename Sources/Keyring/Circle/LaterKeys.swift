package import Blinding
internal import LMDB
internal import TypedSodium
internal import Synchronization

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

extension Keyring {
    /// Looks for keys that do not tell today.
    package func laterKeys(now: UInt64) throws(KeyringError) -> LaterKeys {
        let today = Epoch(unixSeconds: now)
        return try store.read { (transaction) throws(KeyringError) in
            var found = LaterKeys()
            try transaction.forEach(CircleRecord.self) { (key, circle) throws(KeyringError) in
                guard circle.epoch > today else { return .next }
                if key == owner.publicKey {
                    found.own = circle.epoch
                } else if let friend = try transaction.friend(key) {
                    found.friends.append(friend)
                }
                return .next
            }
            found.friends.sort { $0.name < $1.name }
            return found
        }
    }

    /// Does away with keys that do not tell today, where a portal or the owner has vouched for the clock: a new generation
    /// of the owner's circle begins, and friends are asked for theirs at the next connect.
    ///
    /// - Returns: whether it was done; nothing is where nobody vouches for the clock.
    package func replaceLaterKeys(now: UInt64) throws(KeyringError) -> Bool {
        guard clockState.withLock({ $0.isVouchedFor }) else { return false }
        let today = Epoch(unixSeconds: now)
        try store.change { (transaction, change) throws(KeyringError) in
            for (key, circle) in try transaction.records(CircleRecord.self) where circle.epoch > today {
                if key == owner.publicKey {
                    try OwnCircle.startGeneration(&transaction, &change, owner: owner, now: now)
                } else {
                    try transaction.drop(CircleRecord.self, key)
                    change.dropSecret()
                }
            }
        }
        return true
    }
}
