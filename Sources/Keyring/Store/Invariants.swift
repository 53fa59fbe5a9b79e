internal import LMDB

/// The invariants of ``Keyring`` around one change, looked at in debug builds where the keyring is small.
///
/// Only a state that was sound is held to be sound after a change: what damaged files say is for ``KeyringCheck``.
enum Invariants {
    /// How a state looks.
    enum State: Equatable {
        /// Its records agree with each other, and it has so many entries.
        case sound(entryCount: Int)
        /// They contradict each other.
        case unsound
        /// Nobody has looked: it is large, cannot be read, or the build is one for release.
        case unknown
    }

    /// The most records of a keyring that is looked at.
    private static let recordLimit = 128

    /// The state that a change begins with.
    static func state(before transaction: borrowing KeyringWriting) -> State {
        var isDebugBuild = false
        assert(
            {
                isDebugBuild = true; return true
            }())
        return isDebugBuild ? state(of: transaction) : .unknown
    }

    /// Whether a change has left what it found sound in order; entries may be fewer where a backup takes the place of all
    /// that was there.
    static func hold(
        _ transaction: borrowing KeyringWriting, after change: borrowing Change, _ vault: VaultFile,
        before: State, mayShrink: Bool
    ) -> Bool {
        guard case .sound(let formerCount) = before else { return true }
        switch state(of: transaction) {
        case .unknown: return true
        case .unsound: return false
        case .sound(let count):
            guard mayShrink || count >= formerCount else { return false }
            // Nothing else seals what was sealed before.
            guard change.rotates else { return true }
            return (try? KeyringCheck.opensEverything(transaction, vault)) ?? true
        }
    }

    private static func state(of transaction: borrowing KeyringWriting) -> State {
        do throws(KeyringError) {
            var recordCount = 0
            for table in KeyringStore.schema.tables { recordCount += try transaction.recordCount(table) }
            guard recordCount <= recordLimit, try transaction.owner() != nil else { return .unknown }
            return .sound(entryCount: try KeyringCheck.verify(transaction).entryCount)
        } catch {
            switch error {
            case .inconsistent, .damagedRecord: return .unsound
            default: return .unknown
            }
        }
    }
}
