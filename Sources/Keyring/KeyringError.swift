package import Blinding
package import Invitation
package import LMDB
package import TypedSodium

/// Why a keyring is not opened, or does not do what it is asked.
package enum KeyringError: Error, Equatable, Sendable {
    // The files.
    /// There is no keyring, though one was expected.
    case missing(path: String)
    /// Its vault is there, so there was one.
    case storeLost(path: String)
    /// The store is not opened, read or written.
    case store(LMDBError)
    /// A record of a table makes no sense, though it is as it was written.
    case damagedRecord(table: String)
    /// Its tables do not agree with each other; in words, what is wrong.
    case inconsistent(String)
    /// The vault is missing, damaged, or another keyring's.
    case vaultLost(path: String)
    /// Others may read or write the file, or it is no ordinary one.
    case exposed(path: String, permissions: Int)
    /// It belongs to another identity.
    case otherOwner(PublicKey, expected: PublicKey)
    /// It is a copy of another one, which may still be in use.
    case isCopy
    /// Another process serves from it; `nil` for one that has not said its number yet.
    case alreadyServing(pid: Int?)
    /// The system refused a call, with this code.
    case system(path: String, call: String, code: Int32)
    /// Guarded memory could not be had.
    case outOfGuardedMemory
    /// What its portal may is said by the log of several machines.
    case inCluster

    // The clock.
    /// The clock is too far from the day of the keys.
    case wrongClock(today: Epoch, key: Epoch)

    // What was asked.
    /// No friend has the key or the name.
    case noSuchFriend
    /// No friend in what is restored has this name or id.
    case unknownName(String)
    /// The friend may not reach the owner, so there is nothing to allow.
    case notAdmitted(name: String)
    /// A name that cannot be told from an address, or printed.
    case badName(String)
    /// Another friend is called so.
    case nameTaken(String)
    /// The owner's own key.
    case ownKey
    /// A public key that no key pair has.
    case unusableKey
    /// The parts do not make an invite.
    case invite(InviteCodeError)
    /// There is an invite with this seed already.
    case seedUsed
    /// An invite admits at least one and not more than ``InviteDraft/useLimit``.
    case badUseCount(Int)
    /// It would be over before it begins.
    case expiryPassed(UInt64, now: UInt64)
    /// The label has this many bytes.
    case labelTooLong(Int)
    /// A service has no name, or one that is too long.
    case badServiceName(String)
    /// So many services cannot be named; allow all.
    case tooManyServices(Int)
    /// A grant names more portals than it may.
    case tooManyPortals(Int)
    /// A portal has as many hosts as are kept.
    case tooManyHosts
    /// A node's own name is too long or cannot be printed.
    case badNodeName
    /// So many entries cannot be announced.
    case tooManyEntries(Int, limit: Int)
}

extension KeyringError: StoreFailure {
    /// Carries the store's error.
    package init(_ error: LMDBError) { self = .store(error) }

    /// Runs what fails with the store's errors.
    static func storing<Result: ~Copyable>(
        _ body: () throws(LMDBError) -> Result
    ) throws(KeyringError) -> Result {
        do throws(LMDBError) { return try body() } catch { throw KeyringError(error) }
    }
}

extension KeyringError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    package var description: String { fileTrouble ?? refusal }

    private var fileTrouble: String? {
        switch self {
        case .missing(let path):
            "there is no keyring \(path): make one with `cway invite create`, or restore a backup with "
                + "'cway keyring restore'"
        case .storeLost(let path):
            "the keyring \(path) is gone, but its vault is still there: restore a backup with "
                + "'cway keyring restore', or remove the vault to begin anew"
        case .store(let error):
            "\(error)" + (Self.isDamage(error) ? ", with 'cway keyring restore'" : "")
        case .damagedRecord(let table):
            "the keyring has a record in its table '\(table)' that makes no sense: stop the node, move the "
                + "file away, and restore a backup with 'cway keyring restore'"
        case .inconsistent(let what):
            "the keyring contradicts itself (\(what)): stop the node, move the file away, and restore a "
                + "backup with 'cway keyring restore'"
        case .vaultLost(let path):
            "the vault \(path) does not open this keyring: run 'cway keyring restore', which gives your "
                + "circle a new key and asks your friends for theirs again"
        case .exposed(let path, let permissions):
            "\(path) is no ordinary file of yours alone (mode 0\(String(permissions, radix: 8))): "
                + "put the file itself there and run chmod 600 '\(path)'"
        case .otherOwner:
            "the keyring belongs to another identity: put the secret file that belongs to it back, or use "
                + "another home folder"
        case .isCopy:
            "this keyring is a copy, and the original may still be in use: run 'cway keyring restore' to go "
                + "on with it"
        case .alreadyServing(let pid):
            "a process\(pid.map { " (\($0))" } ?? "") serves from this keyring already: stop it, or use "
                + "another home folder"
        case .system(let path, let call, let code):
            "\(path) cannot be used (\(call): \(ResultCode(rawValue: code))): "
                + ResultCode(rawValue: code).advice
        case .inCluster:
            "this portal is one of several machines, whose log says who may do what: name their NATS servers in "
                + "config.json (cluster.servers), or run it without --cluster, and it goes on alone"
        case .outOfGuardedMemory:
            "no locked memory is left for another secret: raise the limits on locked memory and memory maps"
        default: nil
        }
    }

    private var refusal: String {
        switch self {
        case .wrongClock(let today, let key):
            "the clock says day \(today.number), but the keys are of day \(key.number): set the clock"
        case .noSuchFriend: "nobody in the keyring is called so: look at `cway friend list`"
        case .unknownName(let name):
            "nobody in it is called '\(name)': correct the name; nothing has been changed"
        case .notAdmitted(let name): "\(name) may not reach you: admit this friend first"
        case .badName(let name):
            "'\(name)' is no name: use 1 to \(Petname.byteCountLimit) letters, digits, and . _ - in between"
        case .nameTaken(let name): "somebody else is called '\(name)': choose another name"
        case .ownKey: "that is your own key: nobody can be their own friend"
        case .unusableKey: "the id is not one that a key pair has: ask its owner for it again"
        case .invite(let error): "\(error)"
        case .seedUsed: "there is an invite with this seed already: make another one"
        case .badUseCount(let count):
            "an invite cannot admit \(count): choose a number from 1 to \(InviteDraft.useLimit)"
        case .expiryPassed: "the invite would have expired already: choose a later time, or set the clock"
        case .labelTooLong(let count):
            "the label has \(count) bytes, more than \(InviteDraft.labelByteCountLimit): choose a shorter one"
        case .badServiceName:
            "a service's name has 1 to \(ServiceGrant.nameByteCountLimit) bytes: correct it"
        case .tooManyServices(let count):
            "\(count) services are more than \(ServiceGrant.nameCountLimit): allow all of them"
        case .tooManyPortals(let count):
            "\(count) portals are more than \(InviteCode.portalCountLimit): name fewer"
        case .tooManyHosts:
            "\(PortalRecord.hostCountLimit) hosts of this portal are known already: remove one with "
                + "`cway portals remove HOST:PORT`"
        case .badNodeName:
            "a node's name has 1 to \(CircleGrant.nameByteCountLimit) bytes that can be printed: choose another"
        case .tooManyEntries(let count, let limit):
            "\(count) entries are more than the \(limit) that a portal takes: remove friends, or wait until "
                + "invites that are closed have been so for a week"
        default: "the keyring cannot be used"
        }
    }
}

extension KeyringError {
    /// The error of a draft, as one of the file that it was copied from.
    func renamed(from draft: String, to path: String) -> KeyringError {
        guard case .store(let error) = self else { return self }
        switch error {
        case .missing(draft): return .store(.missing(path: path))
        case .empty(draft): return .store(.empty(path: path))
        case .truncated(draft, let byteCount, let expected):
            return .store(.truncated(path: path, byteCount: byteCount, expected: expected))
        case .notAnEnvironment(draft): return .store(.notAnEnvironment(path: path))
        case .damaged(draft, let damage): return .store(.damaged(path: path, damage))
        case .lostSchema(draft): return .store(.lostSchema(path: path))
        case .lostTable(draft, let name): return .store(.lostTable(path: path, name: name))
        case .foreign(draft, let identity): return .store(.foreign(path: path, identity: identity))
        case .newerSchema(draft, let version, let known):
            return .store(.newerSchema(path: path, version: version, known: known))
        default: return self
        }
    }

    /// Whether an error's sentence ends with the advice to restore a backup.
    private static func isDamage(_ error: LMDBError) -> Bool {
        switch error {
        case .missing, .empty, .truncated, .notAnEnvironment, .damaged, .lostSchema, .lostTable: true
        default: false
        }
    }
}
