package import TypedSodium

/// The key of a circle for one epoch and, by derivation, for all later ones; in guarded memory.
///
/// Days go forward only: a key cannot tell those before it. ``advanced(to:)`` consumes the older key, which is
/// wiped, so that a key stolen today opens no address of an earlier day.
package struct ChainKey: ~Copyable, Sendable {
    /// The most days that a key is advanced; ten years, so that a wrong clock costs no more than that many hashes.
    package static let stepLimit: UInt64 = 3_660

    /// The first day that it knows.
    package let epoch: Epoch
    private let key: SecretKey

    private static let context = KeyDerivation.Context(Array("CMPNWAY1".utf8).span, at: 0)
    private static let addressNumber: UInt64 = 1
    private static let chainNumber: UInt64 = 2

    /// Copies a key into guarded memory: a fresh random one, one from the keyring, or one from a grant.
    ///
    /// - Throws: ``BlindingError/outOfGuardedMemory``.
    package init(_ key: borrowing SecretKey, epoch: Epoch) throws(BlindingError) {
        do throws(SodiumError) {
            self.key = try key.guardedCopy()
        } catch {
            throw .outOfGuardedMemory
        }
        self.epoch = epoch
    }

    private init(guarded key: consuming SecretKey, epoch: Epoch) {
        self.key = key
        self.epoch = epoch
    }

    /// Whether it can tell an epoch: not before its own, and not more than ``stepLimit`` days after it.
    package borrowing func reaches(_ epoch: Epoch) -> Bool {
        epoch >= self.epoch && epoch.number - self.epoch.number <= Self.stepLimit
    }

    /// The key of a later day, or of the same; this one is wiped, whether or not it throws.
    ///
    /// - Throws: ``BlindingError/epochPassed(_:chainKey:)``, ``BlindingError/tooManySteps(_:limit:)`` or
    ///   ``BlindingError/outOfGuardedMemory``. Ask ``reaches(_:)`` first where the key is still needed.
    package consuming func advanced(to later: Epoch) throws(BlindingError) -> ChainKey {
        if later == epoch { return self }
        return ChainKey(guarded: try key(at: later, guarded: true), epoch: later)
    }

    /// What writes and resolves addresses on a day.
    ///
    /// - Throws: ``BlindingError/epochPassed(_:chainKey:)`` or ``BlindingError/tooManySteps(_:limit:)``.
    package borrowing func addressing(at epoch: Epoch) throws(BlindingError) -> CircleAddressing {
        let chainKey = try key(at: epoch, guarded: false)
        return CircleAddressing(
            key: try Self.derive(Self.addressNumber, from: chainKey, guarded: false), epoch: epoch)
    }

    /// The key of a later day, or of the same, from one that stands in the keyring.
    ///
    /// Neither is guarded: a keyring advances thousands at once, and keeps none.
    ///
    /// - Throws: ``BlindingError/epochPassed(_:chainKey:)`` or ``BlindingError/tooManySteps(_:limit:)``.
    package static func advance(
        _ key: borrowing SecretKey, from epoch: Epoch, to later: Epoch
    ) throws(BlindingError) -> SecretKey {
        try walk(key, from: epoch, to: later, guarded: false)
    }

    /// The address key of the day of a chain key; not guarded, as neither is the chain key.
    static func addressKey(of key: borrowing SecretKey) throws(BlindingError) -> SecretKey {
        try derive(addressNumber, from: key, guarded: false)
    }

    /// Whether both are the same key of the same day, in constant time.
    package borrowing func isEqual(to other: borrowing ChainKey) -> Bool {
        epoch == other.epoch && key.isEqual(to: other.key)
    }

    /// Appends the 32 bytes of the key, for the keyring or a grant; the caller wipes them, and reserves capacity
    /// first, because an array that grows leaves a copy behind.
    package borrowing func append(to bytes: inout [UInt8]) { key.append(to: &bytes) }

    private borrowing func key(at later: Epoch, guarded: Bool) throws(BlindingError) -> SecretKey {
        try Self.walk(key, from: epoch, to: later, guarded: guarded)
    }

    /// Walks to a later day; the keys in between are wiped at once.
    private static func walk(
        _ key: borrowing SecretKey, from epoch: Epoch, to later: Epoch, guarded: Bool
    ) throws(BlindingError) -> SecretKey {
        guard later >= epoch else { throw .epochPassed(later, chainKey: epoch) }
        let stepCount = later.number - epoch.number
        guard stepCount <= stepLimit else { throw .tooManySteps(stepCount, limit: stepLimit) }

        var current = key.copy()
        for step in 0..<stepCount {
            let isLast = step == stepCount - 1
            current = try derive(chainNumber, from: current, guarded: guarded && isLast)
        }
        return current
    }

    private static func derive(
        _ number: UInt64, from master: borrowing SecretKey, guarded: Bool
    ) throws(BlindingError) -> SecretKey {
        do throws(SodiumError) {
            return try KeyDerivation.key(number, context: context, master: master, guarded: guarded)
        } catch {
            throw .outOfGuardedMemory
        }
    }
}
