package import Blinding
package import Multiserver
internal import Synchronization

/// Resolves addresses for a running node, from an index that is replaced when days or the keyring change.
package final class Resolver: Sendable {
    private let index = Mutex<AddressIndex?>(nil)

    /// Knows nothing before the first ``rebuild(from:now:)``.
    package init() {}

    /// The day of the index that answers; `nil` before there is one.
    package var epoch: Epoch? { index.withLock { $0?.epoch } }

    /// The keyring's sequence number that the index shows; `nil` before there is one.
    package var sequence: UInt64? { index.withLock { $0?.sequence } }

    /// What a blinded address means; `nil` when it is unknown.
    package func resolve(_ address: BlindedAddress) -> Resolution? {
        // The index is copied out, which costs nothing, so that nobody waits for another's look.
        let current = index.withLock { $0 }
        return current?.resolve(address)
    }

    /// Computes the index of the day; until it is ready, the former one answers.
    ///
    /// It takes about two seconds for a million addresses, and has no place on an event loop.
    package func rebuild(from keyring: Keyring, now: UInt64) throws(KeyringError) {
        let next = try AddressIndex(keyring: keyring, epoch: Epoch(unixSeconds: now))
        index.withLock { $0 = next }
    }
}
