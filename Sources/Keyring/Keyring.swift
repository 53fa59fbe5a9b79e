package import Blinding
internal import LMDB
internal import TypedSodium

/// What a node knows about others, in two files of its home folder: its friends, invites, portals and circle.
///
/// The store, `keyring.mdb`, holds everything; its secrets are sealed under a key that stands in `keyring.vault`
/// alone, so that they can be wiped. Every change is one transaction: it is on the disk when the call returns, or
/// nothing of it ever is. Several processes may have a keyring open at once; each sees what the others change. The
/// calls block, on the disk and on other writers: they have no place on an event loop. No clock is read: `now` is
/// in Unix seconds.
///
/// Each part of it is a value over the one store: ``friends``, ``invites``, ``joins``, ``portals`` and ``circle``. What a
/// portal's operator decides stands in the same store, as ``Membership``.
///
/// Invariants, after every change, and asserted in debug builds by ``Invariants``: who was admitted is recorded with every invite that admitted it, and an invite's
/// uses are counted down once for each; an invite without uses left is closed; a key that was removed is admitted by
/// no invite made before, and no invite that admitted it is open; entries and ghosts together are a multiple of 16;
/// every secret is sealed under the one key of the vault.
///
/// Source: docs/protocol.md, "The circle", "Pair tokens" and "Invites".
package final class Keyring: Sendable {
    /// What is done when there is no keyring.
    package enum Absence: Sendable {
        /// One is made.
        case create
        /// It is an error: somebody knows that there was one.
        case fail
    }

    /// What a keyring is opened for.
    ///
    /// Keys that are moved on under a wrong clock cannot be had back, so not everybody who opens one does that.
    package enum Purpose: Sendable {
        /// It is only looked at: nothing is written, so it may stand where nothing can be, and be of an earlier version.
        case reading
        /// Something in it is changed. What time asks for is done once a portal has confirmed the clock, or where the
        /// owner vouches for it.
        case changing
        /// A node or a portal serves from it, which does what time asks for.
        case serving
    }

    /// How a keyring is opened.
    package struct Opening: Sendable {
        package var folder: String
        package var owner: EndpointKey
        package var purpose = Purpose.changing
        package var trustsClock = false
        package var ifMissing = Absence.create
        /// Told where each change has got to.
        package var observe: (@Sendable (CommitPoint) -> Void)?

        package init(folder: String, owner: EndpointKey) {
            self.folder = folder
            self.owner = owner
        }
    }

    /// Whose keyring it is.
    package let owner: EndpointKey
    /// Whether it is a copy, of which the original may still be in use; nothing in it can be changed.
    package let isCopy: Bool

    /// What is believed of the clock, and what time asks for.
    package let clock: KeyringClock

    let store: KeyringStore

    /// Opens a keyring; one that is opened to serve from it is tidied, see ``KeyringClock/tidy(now:)``.
    ///
    /// - Parameters:
    ///   - folder: the home folder, which its owner alone may enter.
    ///   - owner: whose keyring it must be, or becomes.
    ///   - purpose: what it is opened for.
    ///   - now: Unix seconds.
    ///   - trustsClock: whether `now` is right, however long the keyring was not open.
    ///   - absence: what is done when there is no keyring; none is made to be read.
    /// - Throws: ``KeyringError``; ``KeyringError/vaultLost(path:)`` unless its secrets can be opened.
    package convenience init(
        folder: String, owner: EndpointKey, for purpose: Purpose = .changing, now: UInt64,
        trustsClock: Bool = false, ifMissing absence: Absence = .create
    ) throws(KeyringError) {
        var opening = Opening(folder: folder, owner: owner)
        opening.purpose = purpose
        opening.trustsClock = trustsClock
        opening.ifMissing = absence
        try self.init(opening, now: now)
    }

    /// Whether no keyring has come to be in a folder yet; where one was lost, its vault is still there.
    package static func isAbsent(in folder: String) throws(KeyringError) -> Bool {
        guard try !KeyringFile.exists("\(folder)/\(KeyringStore.fileName)") else { return false }
        return try !KeyringFile.exists("\(folder)/\(VaultFile.name)")
    }

    package init(_ opening: Opening, now: UInt64) throws(KeyringError) {
        owner = opening.owner
        let path = "\(opening.folder)/\(KeyringStore.fileName)"
        let creates = opening.ifMissing == .create && opening.purpose != .reading
        if try !KeyringFile.exists(path) {
            // Looked at again, because another process may just have made both.
            if try VaultFile(folder: opening.folder).isInUse(), try !KeyringFile.exists(path) {
                throw .storeLost(path: path)
            }
            guard creates else { throw .missing(path: path) }
        }
        store = try KeyringStore(
            folder: opening.folder, absence: creates ? .creates : .fails,
            access: opening.purpose == .reading ? .readOnly : .readWrite, observe: opening.observe)
        let opened = try KeyringBirth.recognize(store, owner: owner, now: now)
        isCopy = opened.isCopy
        clock = KeyringClock(store, opening, isCopy: isCopy)
        // A copy is looked at as it is.
        guard !isCopy else { return }
        try begin(opening, now: now)
    }

    private func begin(_ opening: Opening, now: UInt64) throws(KeyringError) {
        if opening.purpose == .reading { return try clock.judge(now: now) }
        try store.migrate(folder: opening.folder)
        if opening.purpose == .serving || opening.trustsClock { return try clock.tidy(now: now) }
        try store.eraseFormerSlot()
        try clock.judge(now: now)
    }

    // MARK: What is in it

    /// Everybody in it: who may reach the owner, and whom the owner can reach.
    package var friends: Friends { Friends(store: store, owner: owner) }
    /// The invites that the owner makes.
    package var invites: Invites { Invites(store: store, owner: owner) }
    /// The invites of others that the owner has accepted.
    package var joins: Joins { Joins(store: store, owner: owner) }
    /// The portals that the owner has named.
    package var portals: Portals { Portals(store: store, owner: owner) }
    /// The keys of circles, and what they resolve.
    package var circle: Circle { Circle(store: store, owner: owner, clock: clock) }

    // MARK: Its state

    /// The number of the newest commit of any process; when it is the same, nothing has changed.
    ///
    /// It takes no system call, so a running node asks several times a second, and ``readNumber()`` after that: reads
    /// see the commit a moment later.
    package var stateNumber: Int { store.environment.stateNumber }

    /// The number of the state that is read; what is read later is no older.
    package func readNumber() throws(KeyringError) -> Int {
        try KeyringError.storing { () throws(LMDBError) in try store.environment.readNumber() }
    }

    /// The sequence number, raised by one with every change of what others can notice.
    package func sequence() throws(KeyringError) -> UInt64 {
        try store.read { (transaction) throws(KeyringError) in try transaction.number(.sequence) ?? 0 }
    }

    // MARK: Copies

    /// Writes a copy of the keyring, marked as one, to a file of mode 0600, while others may use the keyring.
    ///
    /// It needs the vault no more later: without the key that the vault holds now, the secrets in the copy, ghosts
    /// among them, cannot be opened, and that key is replaced daily. Nothing is in the copy of what was removed before.
    /// It is complete once it has its name. One of a keyring of an earlier version is brought up to date.
    ///
    /// - Throws: ``KeyringError``; where there is a file of that name, it stays.
    package func backup(to path: String, now: UInt64) throws(KeyringError) {
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
        try store.copy(to: path) { (transaction) throws(KeyringError) in
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
