public import Blinding
internal import LMDB
internal import Sodium
internal import Synchronization

/// What a node knows about others, in two files of its home folder: its friends, invites, portals and circle.
///
/// The store, `keyring.mdb`, holds everything; its secrets are sealed under a key that stands in `keyring.vault`
/// alone, so that they can be wiped. Every change is one transaction: it is on the disk when the call returns, or
/// nothing of it ever is. Several processes may have a keyring open at once; each sees what the others change. The
/// calls block, on the disk and on other writers: they have no place on an event loop. No clock is read: `now` is
/// in Unix seconds.
///
/// Source: docs/protocol.md, "The circle", "Pair tokens" and "Invites".
public final class Keyring: Sendable {
    /// What is done when there is no keyring.
    public enum Absence: Sendable {
        /// One is made.
        case create
        /// It is an error: somebody knows that there was one.
        case fail
    }

    /// How a keyring is opened.
    package struct Opening: Sendable {
        package var folder: String
        package var owner: EndpointKey
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
    public let owner: EndpointKey
    /// Whether it is a copy, of which the original may still be in use; nothing in it can be changed.
    public let isCopy: Bool

    let store: KeyringStore
    let clockState: Mutex<ClockState>

    /// Opens a keyring, and tidies it; see ``tidy(now:)``.
    ///
    /// - Parameters:
    ///   - folder: the home folder, which its owner alone may enter.
    ///   - owner: whose keyring it must be, or becomes.
    ///   - now: Unix seconds.
    ///   - trustsClock: whether `now` is right, however long the keyring was not open.
    ///   - absence: what is done when there is no keyring.
    /// - Throws: ``KeyringError``; ``KeyringError/vaultLost(path:)`` unless its secrets can be opened.
    public convenience init(
        folder: String, owner: EndpointKey, now: UInt64, trustsClock: Bool = false,
        ifMissing absence: Absence = .create
    ) throws(KeyringError) {
        var opening = Opening(folder: folder, owner: owner)
        opening.trustsClock = trustsClock
        opening.ifMissing = absence
        try self.init(opening, now: now)
    }

    /// Whether no keyring has come to be in a folder yet; where one was lost, its vault is still there.
    public static func isAbsent(in folder: String) throws(KeyringError) -> Bool {
        guard try !KeyringFile.exists("\(folder)/\(KeyringStore.fileName)") else { return false }
        return try !KeyringFile.exists("\(folder)/\(VaultFile.name)")
    }

    package init(_ opening: Opening, now: UInt64) throws(KeyringError) {
        owner = opening.owner
        let path = "\(opening.folder)/\(KeyringStore.fileName)"
        if try !KeyringFile.exists(path) {
            // Looked at again, because another process may just have made both.
            if try VaultFile(folder: opening.folder).isInUse(), try !KeyringFile.exists(path) {
                throw .storeLost(path: path)
            }
            guard opening.ifMissing == .create else { throw .missing(path: path) }
        }
        store = try KeyringStore(
            folder: opening.folder, absence: opening.ifMissing == .create ? .creates : .fails,
            observe: opening.observe)
        let opened = try KeyringBirth.recognize(store, owner: owner, now: now)
        isCopy = opened.isCopy
        clockState = Mutex(ClockState(trustsClock: opening.trustsClock))
        if !isCopy { try tidy(now: now) }
    }

    /// The number of the newest commit of any process; when it is the same, nothing has changed.
    ///
    /// It takes no system call, so a running node asks several times a second, and ``sequence()`` after that.
    public var stateNumber: Int { store.environment.stateNumber }

    /// The sequence number, raised by one with every change of what others can notice.
    public func sequence() throws(KeyringError) -> UInt64 {
        try store.read { (transaction) throws(KeyringError) in try transaction.number(.sequence) ?? 0 }
    }
}
