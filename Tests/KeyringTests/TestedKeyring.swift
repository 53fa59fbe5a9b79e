import Blinding
import Foundation
import Invitation
import Keyring
import LMDB
import TestSupport
import TypedSodium

/// A folder of a test's own with a keyring in it, removed with the value.
final class TestedKeyring {
    /// A second of the afternoon of a day.
    static let now: UInt64 = 20_000 * day + 50_000
    static let day: UInt64 = 86_400
    static let today = Epoch(20_000)

    let folder = FileManager.default.temporaryDirectory.path + "/companionway-\(UUID().uuidString)"
    let number: Int
    let owner: Identity

    init(owner number: Int = 1) throws {
        self.number = number
        owner = try person(number)
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    /// A copy of a home as an earlier version of the program wrote it; its owner is the first person.
    convenience init(ofSchema schema: Int) throws {
        try self.init()
        try FormerHome.copy(schema: schema, to: folder)
    }

    /// A copy of its files, in a folder of its own.
    init(copying other: TestedKeyring) throws {
        number = other.number
        owner = other.owner
        try FileManager.default.copyItem(atPath: other.folder, toPath: folder)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var endpoint: EndpointKey { EndpointKey(owner.publicKey) }
    var storePath: String { folder + "/keyring.mdb" }
    var vaultPath: String { folder + "/keyring.vault" }

    func open(
        now: UInt64 = TestedKeyring.now, for purpose: Keyring.Purpose = .serving,
        trustsClock: Bool = false, ifMissing: Keyring.Absence = .create
    ) throws(KeyringError) -> Keyring {
        try Keyring(
            folder: folder, owner: endpoint, for: purpose, now: now, trustsClock: trustsClock,
            ifMissing: ifMissing)
    }

    /// Its store, to be read and changed without a keyring; nobody has one open.
    func openStore() throws(LMDBError) -> Environment {
        let tables = [
            "state", "portals", "friends", "names", "seen", "circles", "pending", "ghosts", "invites",
            "tombstones", "members", "denied", "memberInvites",
        ].map { Table($0) }
        return try Environment(
            path: storePath, schema: Schema(identity: "companionway keyring", version: 3, tables: tables),
            absence: .fails)
    }

    /// Everything that a check looks at is as it should be.
    func check() throws(KeyringError) -> KeyringReport { try KeyringCheck.run(folder: folder) }

    /// The line that makes a child do something with the keyring.
    func line(_ task: String, _ more: String = "", point: String = "-", now: UInt64 = TestedKeyring.now)
        -> String
    { "\(task) \(point) \(folder) \(number) \(now) \(more)" }

    func read(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    func write(_ bytes: [UInt8], to path: String, permissions: Int = 0o600) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: path)
    }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }
    }
}

/// Somebody of whom the child knows by the same number.
func person(_ number: Int) throws -> Identity {
    var seed = [UInt8](repeating: 7, count: 32)
    for index in 0..<8 { seed[index] = UInt8(truncatingIfNeeded: number >> (8 * index)) }
    return try Identity(seed: SecretKey(copying: seed.span))
}

func friendKey(_ number: Int) throws -> FriendKey { FriendKey(try person(number).publicKey) }

func inviteKey(_ number: Int) throws -> InviteKey { InviteKey(try person(number).publicKey) }

func endpointKey(_ number: Int) throws -> EndpointKey { EndpointKey(try person(number).publicKey) }

/// A portal by its number, far from those of people.
func portal(_ number: Int, isOpen: Bool = false) throws -> PortalAddress {
    try PortalAddress(
        key: PortalKey(person(5_000_000 + number).publicKey), host: "portal\(number).example", port: 8008,
        isOpen: isOpen)
}

extension Invites {
    /// Redeems the invite of one person by another.
    func redeem(_ invite: Int, by friend: Int, now: UInt64 = TestedKeyring.now) throws -> Redemption {
        try redeem(inviteKey(invite), by: friendKey(friend), now: now)
    }
}

extension Keyring {
    /// Makes an invite whose key pair is that of a person.
    @discardableResult
    func invite(
        _ number: Int, _ draft: InviteDraft = InviteDraft(label: "anna"), now: UInt64 = TestedKeyring.now
    ) throws -> InviteCode {
        try invites.create(draft, portals: [portal(0)], seed: person(number).seed(), now: now)
    }

    /// The names of everybody in it.
    var names: [String] { get throws { try friends.all().map(\.name) } }

    /// How many entries it has, with those of its ghosts.
    func entryCount(_ owner: Identity) throws -> Int {
        let entries = Entries(identity: owner)
        _ = try entries.update(from: self)
        return entries.count
    }
}

/// What can be seen of a keyring, to compare two states of it.
struct Snapshot: Equatable {
    let friends: [Friend]
    let invites: [InviteRecord]
    let generation, sequence: UInt64
    let isPending: [Bool]

    init(_ keyring: Keyring) throws {
        friends = try keyring.friends.all()
        invites = try keyring.invites.all()
        generation = try keyring.circle.generation()
        sequence = try keyring.sequence()
        isPending = try friends.map { try keyring.joins.pending(of: EndpointKey($0.key)) != nil }
    }
}

/// The bytes of a key, for tests that look for them.
func bytes(_ key: borrowing SecretKey) -> [UInt8] {
    var bytes: [UInt8] = []
    key.append(to: &bytes)
    return bytes
}

extension CircleGrant {
    /// The bytes of its key.
    var keyBytes: [UInt8] { bytes(key) }
}

extension TestedKeyring {
    func permissions(of path: String) throws -> Int { try attribute(.posixPermissions, of: path) }

    func inode(of path: String) throws -> Int { try attribute(.systemFileNumber, of: path) }

    private func attribute(_ name: FileAttributeKey, of path: String) throws -> Int {
        (try FileManager.default.attributesOfItem(atPath: path)[name] as? NSNumber)?.intValue ?? 0
    }

    func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }

    func link(_ path: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    }
}
