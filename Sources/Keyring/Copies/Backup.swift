internal import LMDB

extension Keyring {
    /// Writes a copy of the keyring, marked as one, to a file of mode 0600, while others may use the keyring.
    ///
    /// It needs the vault no more later: without the key that the vault holds now, the secrets in the copy, ghosts
    /// among them, cannot be opened, and that key is replaced daily. Nothing is in the copy of what was removed before.
    /// It is complete once it has its name. One of a keyring of an earlier version is brought up to date.
    ///
    /// - Throws: ``KeyringError``; where there is a file of that name, it stays.
    public func backup(to path: String, now: UInt64) throws(KeyringError) {
        do throws(KeyringError) {
            try copy(to: path, now: now)
        } catch {
            // It is made under another name, which nobody has asked for.
            guard case .store(.refused(let draft, _, let code)) = error, draft.hasPrefix(path), draft != path
            else { throw error }
            throw .system(path: path, call: "write", code: code.rawValue)
        }
    }

    private func copy(to path: String, now: UInt64) throws(KeyringError) {
        try store.environment.copy(to: path) { (transaction) throws(KeyringError) in
            let version = try transaction.version()
            // A copy's vault may be lost, and who copies it changes nothing in it.
            if version < KeyringStore.schema.version, try transaction.number(.copy) == nil {
                let change = try Change(transaction, vault: store.vault)
                try Migration.run(&transaction, change, from: version)
            }
            try transaction.set(.copy, to: now)
        }
    }
}
