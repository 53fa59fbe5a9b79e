internal import LMDB

extension Keyring {
    /// Writes a copy of the keyring, marked as one, to a file of mode 0600, while others may use the keyring.
    ///
    /// It needs the vault neither now nor later: without the key that the vault holds now, the secrets in the copy
    /// cannot be opened, and that key is replaced daily. The copy is complete once it has its name.
    ///
    /// - Throws: ``KeyringError``; where there is a file of that name, it stays.
    public func backup(to path: String, now: UInt64) throws(KeyringError) {
        try store.environment.copy(to: path) { (transaction) throws(KeyringError) in
            try transaction.set(.copy, to: now)
        }
    }
}
