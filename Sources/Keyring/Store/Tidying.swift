internal import Blinding
internal import LMDB
internal import TypedSodium

/// What time does to a keyring.
enum Tidying {
    /// How long a closed invite is still announced, in seconds, so that its holder can be told.
    static let announcedSeconds: UInt64 = 7 * 86_400
    /// How long a closed invite is remembered, in seconds.
    static let rememberedSeconds: UInt64 = 30 * 86_400

    static func tidyInvites(
        _ transaction: inout WriteTransaction, _ change: inout Change, now: UInt64
    ) throws(KeyringError) {
        for (key, invite) in try transaction.records(StoredInvite.self) {
            var invite = invite
            if invite.closing == nil, let expiry = invite.expiry, expiry <= now {
                invite.closing = Closing(reason: .expired, at: now)
                try transaction.put(invite, key)
                change.mark()
            }
            guard let closing = invite.closing else { continue }
            if invite.isEntry, isOver(closing, announcedSeconds, now) {
                invite.isEntry = false
                try transaction.put(invite, key)
                try Ghost.add(1, &transaction, change)
                change.mark()
            }
            if isOver(closing, rememberedSeconds, now) {
                try transaction.drop(StoredInvite.self, key)
                change.mark()
            }
        }
    }

    static func tidyMemberInvites(
        _ transaction: inout WriteTransaction, _ change: inout Change, now: UInt64
    ) throws(KeyringError) {
        for (key, invite) in try transaction.records(StoredMemberInvite.self) {
            var invite = invite
            if invite.closing == nil, let expiry = invite.expiry, expiry <= now {
                invite.closing = Closing(reason: .expired, at: now)
                try transaction.put(invite, key)
                change.mark()
            }
            if let closing = invite.closing, isOver(closing, rememberedSeconds, now) {
                try transaction.drop(StoredMemberInvite.self, key)
                change.mark()
            }
        }
    }

    /// Advances chain keys to yesterday's, and gives up those of days that cannot be.
    static func tidyCircles(
        _ transaction: inout WriteTransaction, _ change: inout Change, owner: EndpointKey, now: UInt64
    ) throws(KeyringError) {
        let today = Epoch(unixSeconds: now)
        let oldest = today.previous ?? today
        for (key, circle) in try transaction.records(CircleRecord.self) {
            guard circle.epoch < oldest || circle.epoch > (today.next ?? today) else { continue }
            if let advanced = try advanced(circle, to: oldest, change) {
                try transaction.put(advanced, key)
                change.dropSecret()
            } else if key == owner.publicKey {
                try OwnCircle.startGeneration(&transaction, &change, owner: owner, now: now)
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

    private static func isOver(_ closing: Closing, _ seconds: UInt64, _ now: UInt64) -> Bool {
        now >= closing.at && now - closing.at >= seconds
    }
}
