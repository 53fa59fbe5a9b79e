internal import Blinding
internal import LMDB
package import TypedSodium

extension Keyring {
    /// Notes many whom the owner may reach in one transaction, each by its own key and all with what one grant says;
    /// for measurements at sizes that nobody reaches one commit after the other.
    package func populate(
        _ keys: [PublicKey], with grant: borrowing CircleGrant
    ) throws(KeyringError) {
        let reach = Reach(portals: grant.portals, isPending: false)
        let (generation, epoch) = (grant.generation, grant.epoch)
        let secret = grant.key.copy()
        try store.change { (transaction, change) throws(KeyringError) in
            for key in keys {
                var record = try transaction.obtain(key, name: nil)
                record.reach = reach
                try transaction.put(record, key)
                let circle = CircleRecord(
                    generation: generation, epoch: epoch, sealed: try change.seal(secret))
                try transaction.put(circle, key)
            }
            change.mark()
        }
    }
}
