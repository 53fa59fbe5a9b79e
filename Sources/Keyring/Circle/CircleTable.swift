internal import Blinding
internal import LMDB
internal import TypedSodium

/// The keys of circles within a transaction, each under the key of the circle's owner.
enum CircleTable {
    /// The circle of the keyring's owner, which is there from the beginning.
    static func own<Access>(
        _ owner: EndpointKey, _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> CircleRecord {
        guard let circle = try transaction.record(CircleRecord.self, owner.publicKey) else {
            throw .inconsistent("it has no circle")
        }
        return circle
    }

    /// Begins a generation with a fresh random key, which nobody has who was not given it.
    ///
    /// Its number is the greater of the previous one + 1 and Unix milliseconds, so that it stays greater even
    /// where a keyring was restored from an old copy; `replaced` is the number of one that is not there any more.
    static func startGeneration(
        of owner: EndpointKey, _ transaction: inout KeyringWriting, _ change: inout Change,
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

    /// Advances chain keys to yesterday's, and gives up those of days that cannot be.
    static func tidy(
        _ transaction: inout KeyringWriting, _ change: inout Change, owner: EndpointKey, now: UInt64
    ) throws(KeyringError) {
        let today = Epoch(unixSeconds: now)
        let oldest = today.previous ?? today
        for (key, circle) in try transaction.records(CircleRecord.self) {
            guard circle.epoch < oldest || circle.epoch > (today.next ?? today) else { continue }
            if let advanced = try advanced(circle, to: oldest, change) {
                try transaction.put(advanced, key)
                change.dropSecret()
            } else if key == owner.publicKey {
                try startGeneration(of: owner, &transaction, &change, now: now)
            } else {
                // Its owner is asked again at the next connect.
                try transaction.drop(CircleRecord.self, key)
                change.dropSecret()
            }
        }
    }

    /// The circle with the chain key of a later day; `nil` when it cannot be had.
    private static func advanced(
        _ circle: CircleRecord, to epoch: Epoch, _ change: borrowing Change
    ) throws(KeyringError) -> CircleRecord? {
        guard circle.epoch < epoch, epoch.number - circle.epoch.number <= ChainKey.stepLimit else {
            return nil
        }
        let former = try change.open(circle.sealed)
        let key: SecretKey
        do throws(BlindingError) {
            key = try ChainKey.advance(former, from: circle.epoch, to: epoch)
        } catch {
            throw .outOfGuardedMemory
        }
        return CircleRecord(
            generation: circle.generation, epoch: epoch, sealed: try change.seal(key))
    }
}
