internal import Blinding
internal import LMDB
internal import TypedSodium

/// The circle of the keyring's owner.
enum OwnCircle {
    /// Begins a generation with a fresh random key, which nobody has who was not given it.
    ///
    /// Its number is the greater of the previous one + 1 and Unix milliseconds, so that it stays greater even
    /// where a keyring was restored from an old copy; `replaced` is the number of one that is not there any more.
    static func startGeneration(
        _ transaction: inout WriteTransaction, _ change: inout Change, owner: EndpointKey,
        after replaced: UInt64 = 0, now: UInt64
    ) throws(KeyringError) {
        let previous = try transaction.record(CircleRecord.self, owner.publicKey)
        let (milliseconds, isTooLarge) = now.multipliedReportingOverflow(by: 1_000)
        let generation = max(
            max(previous?.generation ?? 0, replaced) &+ 1, isTooLarge ? 0 : milliseconds)
        let key: SecretKey
        do throws(SodiumError) { key = try SecretKey.random() } catch { throw .outOfGuardedMemory }
        let circle = CircleRecord(
            generation: generation, epoch: Epoch(unixSeconds: now), sealed: try change.seal(key))
        try transaction.put(circle, owner.publicKey)
        if previous != nil { change.dropSecret() }
    }
}
