internal import Blinding
internal import Synchronization

/// Whether the clock may be believed: keys that were wiped because of a wrong one cannot be had back.
package enum ClockVerdict: Hashable, Sendable {
    /// It fits what it said when the keyring was last open, or a portal agreed, or the owner vouched for it.
    case confirmed
    /// It is more than two days from what it said when the keyring was last open, in Unix seconds.
    case unconfirmed(lastOpened: UInt64)
}

extension ClockVerdict {
    /// The most that the clock may move between two openings without a word from a portal, in seconds.
    package static let jumpLimitSeconds: UInt64 = 2 * 86_400
    /// The most that a portal's clock may differ from one that it confirms, in seconds.
    package static let agreementSeconds: UInt64 = 86_400

    /// The Unix seconds in a portal's answer to `tunnel.ping`, which is in milliseconds or in microseconds.
    package static func unixSeconds(inPing answer: UInt64) -> UInt64 {
        // Milliseconds of the year 5138 are microseconds of 1973.
        let firstMicroseconds: UInt64 = 100_000_000_000_000
        return answer >= firstMicroseconds ? answer / 1_000_000 : answer / 1_000
    }
}

/// The clock as the keyring believes it, and what time asks for.
package final class KeyringClock: Sendable {
    /// How much later than noted the keyring may have been open the last time.
    private static let openedPrecisionSeconds: UInt64 = 3_600

    /// What a process knows about its clock.
    private struct State {
        var verdict = ClockVerdict.confirmed
        /// Whether somebody else's word stands behind it: a portal's, or the owner's.
        var isVouchedFor: Bool
    }

    private let store: KeyringStore
    private let owner: EndpointKey
    private let isCopy: Bool
    private let purpose: Keyring.Purpose
    private let trustsClock: Bool
    private let state: Mutex<State>

    init(_ store: KeyringStore, _ opening: Keyring.Opening, isCopy: Bool) {
        self.store = store
        owner = opening.owner
        self.isCopy = isCopy
        purpose = opening.purpose
        trustsClock = opening.trustsClock
        state = Mutex(State(isVouchedFor: opening.trustsClock))
    }

    /// Whether the clock is believed: at the last tidying, or else at the opening.
    package var verdict: ClockVerdict { state.withLock { $0.verdict } }

    /// Whether a portal or the owner has vouched for it.
    var isVouchedFor: Bool { state.withLock { $0.isVouchedFor } }

    /// Whether a portal's word on the clock is wanted: where it is in doubt, and where something waits for it that a
    /// node which serves does by itself.
    package func wantsPortalsWord(now: UInt64) throws(KeyringError) -> Bool {
        guard !isCopy, purpose != .reading else { return false }
        if case .unconfirmed = verdict { return true }
        guard purpose != .serving else { return false }
        return try store.read { (transaction) throws(KeyringError) in
            let lastOpened = try transaction.number(.opened) ?? 0
            return Epoch(unixSeconds: lastOpened) != Epoch(unixSeconds: now)
        }
    }

    /// Takes a portal's word on the clock: where it agrees within a day, the clock is confirmed and the keyring
    /// tidied.
    ///
    /// - Returns: the verdict, which stays where the portal does not agree.
    package func confirm(
        portalUnixSeconds: UInt64, now: UInt64
    ) throws(KeyringError) -> ClockVerdict {
        let distance = max(portalUnixSeconds, now) - min(portalUnixSeconds, now)
        guard distance <= ClockVerdict.agreementSeconds else { return verdict }
        state.withLock { $0.isVouchedFor = true }
        if try wantsPortalsWord(now: now) { try trust(now: now) }
        return verdict
    }

    /// Takes the owner's word on the clock, this once.
    package func trust(now: UInt64) throws(KeyringError) { try tidy(now: now, isTrusted: true) }

    /// Does what time asks for: overwrites a former key of the vault, and, unless the clock is in doubt, closes
    /// invites that have expired, lets those go that were closed long ago, and wipes chain keys of days before
    /// yesterday.
    ///
    /// Opening to serve does this; a running node does it at the beginning of each day and hourly.
    package func tidy(now: UInt64) throws(KeyringError) {
        try tidy(now: now, isTrusted: trustsClock)
    }

    /// Looks at the clock without doing anything.
    func judge(now: UInt64) throws(KeyringError) {
        let verdict = try store.read { (transaction) throws(KeyringError) in
            Self.verdict(now: now, lastOpened: try transaction.number(.opened) ?? now, isTrusted: trustsClock)
        }
        state.withLock { $0.verdict = verdict }
    }

    private static func verdict(now: UInt64, lastOpened: UInt64, isTrusted: Bool) -> ClockVerdict {
        let jump = max(now, lastOpened) - min(now, lastOpened)
        return isTrusted || jump <= ClockVerdict.jumpLimitSeconds
            ? .confirmed : .unconfirmed(lastOpened: lastOpened)
    }

    private func tidy(now: UInt64, isTrusted: Bool) throws(KeyringError) {
        let vault = store.vault
        let verdict = try store.change { (transaction, change) throws(KeyringError) in
            guard let current = try transaction.number(.vault) else { throw .vaultLost(path: vault.path) }
            try vault.erase(allBut: current)
            let lastOpened = try transaction.number(.opened) ?? now
            let verdict = Self.verdict(now: now, lastOpened: lastOpened, isTrusted: isTrusted)
            guard verdict == .confirmed else { return verdict }
            try InviteTable<FriendInviteKind>.tidy(&transaction, &change, now: now)
            // Those that a log has made are tidied by its records, on all machines alike.
            if try !MembershipLog.isFollowed(transaction) {
                try InviteTable<MemberInviteKind>.tidy(&transaction, &change, now: now)
            }
            let today = Epoch(unixSeconds: now)
            let isFirstOfDay = today != Epoch(unixSeconds: lastOpened)
            // Nothing older than yesterday's comes in on a day that was tidied once; but a generation may have
            // begun while the clock was wrong, and in doubt.
            let ownEpoch = try CircleTable.own(owner, transaction).epoch
            if isFirstOfDay || ownEpoch > today.next ?? today {
                try CircleTable.tidy(&transaction, &change, owner: owner, now: now)
            }
            // Not at every opening, which would write to the disk each time.
            let jump = max(now, lastOpened) - min(now, lastOpened)
            if isFirstOfDay || jump >= Self.openedPrecisionSeconds { try transaction.set(.opened, to: now) }
            return .confirmed
        }
        state.withLock { $0.verdict = verdict }
    }
}
