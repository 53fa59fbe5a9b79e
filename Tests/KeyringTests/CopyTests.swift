import Blinding
import Invitation
import Keyring
import LMDB
import TestSupport
import Testing
import TypedSodium

@Suite("Copies")
struct CopyTests {
    private let tested: TestedKeyring
    private let now = TestedKeyring.now
    private let backup: String

    /// Two friends, one of whom can be reached, an open invite, a member invite, and one that was accepted.
    init() throws {
        tested = try TestedKeyring()
        backup = tested.folder + "/backup"
        let keyring = try tested.open()
        for (number, name) in [(2, "anna"), (3, "berta")] {
            try keyring.friends.admit(person(number).publicKey, name: name, services: .all, now: now)
        }
        try take(keyring, generation: 1)
        try keyring.invite(100)
        _ = try Membership(keyring).invites.create(
            label: "x", uses: 1, expiry: nil, seed: person(102).seed(), now: now)
        let code = try InviteCode(
            endpoint: endpointKey(5), seed: person(101).seed(), expiry: nil, portals: [portal(1)])
        try keyring.joins.begin(code, name: "clara", now: now)
        try keyring.backup(to: backup, now: now + 7)
    }

    private func take(_ keyring: Keyring, generation: UInt64) throws {
        let grant = try CircleGrant(
            name: "x", generation: generation, epoch: TestedKeyring.today, key: SecretKey.random(),
            portals: [portal(1)])
        _ = try keyring.circle.take(grant, from: endpointKey(3), now: now)
    }

    private func restore(
        _ path: String?, keeping: (Friend) -> Bool = { _ in true }, now: UInt64 = TestedKeyring.now + 9
    ) throws(KeyringError) -> RestoreReport {
        try Restore.run(
            from: path, into: tested.folder, owner: tested.endpoint, keeping: keeping, now: now)
    }

    /// Puts the backup in the place of the keyring, as somebody does who only knows files.
    private func copyByHand() throws {
        try tested.write(tested.read(backup), to: tested.storePath)
    }

    @Test("a backup is marked, says what it is, and never replaces a file")
    func marked() throws {
        #expect(try tested.permissions(of: backup) == 0o600)
        let error = #expect(throws: KeyringError.self) { try tested.open().backup(to: backup, now: now) }
        #expect(error == .store(.exists(path: backup)))
        #expect(try tested.check().copiedAt == nil)
        try copyByHand()
        #expect(try tested.check().copiedAt == now + 7)
        #expect(try tested.names == ["backup", "keyring.mdb", "keyring.mdb-lock", "keyring.vault"])
    }

    @Test("neither a backup nor the keyring has a ghost's pair that can be read, nor what was removed")
    func sealed() throws {
        let entries = Entries(identity: tested.owner)
        _ = try entries.update(from: tested.open())
        let store = try tested.openStore().read { (transaction) throws(LMDBError) in
            try transaction.entries(in: Table("ghosts"))
        }
        #expect(
            store.count >= 10 && store.allSatisfy { $0.value.version == 2 && $0.value.payload.count == 72 })
        try tested.open().friends.remove(person(3).publicKey, now: now)
        let path = tested.folder + "/later"
        try tested.open().backup(to: path, now: now + 8)
        // The name of somebody who is gone: LMDB's own pages keep it until they are used again.
        #expect(try !contains(tested.read(path), Array("berta".utf8)))
        #expect(try contains(tested.read(path), Array("anna".utf8)))
        for entry in store { #expect(try !contains(tested.read(path), entry.value.payload)) }
    }

    private func contains(_ bytes: [UInt8], _ needle: [UInt8]) -> Bool {
        bytes.indices.dropLast(max(0, needle.count - 1)).contains { start in
            bytes[start] == needle[0] && bytes[start..<start + needle.count].elementsEqual(needle)
        }
    }

    @Test("a copy can be looked at, and nothing in it changed")
    func readOnly() throws {
        try copyByHand()
        let store = try tested.read(tested.storePath)
        do {
            let keyring = try tested.open(now: now + 40 * TestedKeyring.day)
            #expect(keyring.isCopy)
            #expect(try keyring.names == ["anna", "berta", "clara"])
            #expect(throws: KeyringError.isCopy) { try keyring.friends.remove(person(2).publicKey, now: now) }
            #expect(throws: KeyringError.isCopy) { try keyring.invites.redeem(100, by: 4) }
            #expect(throws: KeyringError.isCopy) { try keyring.clock.tidy(now: now) }
        }
        #expect(try tested.read(tested.storePath) == store)
    }

    @Test("a restore in place begins a generation, revokes every invite and keeps whom the owner confirms")
    func inPlace() throws {
        let generation = try tested.open().circle.generation()
        try copyByHand()
        let report = try restore(nil, keeping: { $0.name != "anna" })
        #expect(report.kept.map(\.name) == ["berta", "clara"] && report.removed.map(\.name) == ["anna"])
        #expect(report.revokedInviteCount == 2)
        // The vault is still the one that opens it.
        #expect(report.lostKeyCount == 0 && report.lostJoins.isEmpty)
        let keyring = try tested.open()
        #expect(!keyring.isCopy)
        #expect(try keyring.circle.generation() > generation)
        #expect(try keyring.names == ["berta", "clara"])
        #expect(try keyring.friends.find(named: "berta")?.reach?.generation == 1)
        #expect(try keyring.joins.pending(of: endpointKey(5)) != nil)
        #expect(try keyring.invites.redeem(100, by: 2) == .refused(.removed))
        #expect(try keyring.invites.redeem(100, by: 4) == .refused(.revoked))
        #expect(
            try Membership(keyring).invites.redeem(inviteKey(102), by: person(4).publicKey, now: now)
                == .refused(.revoked))
        #expect(try keyring.entryCount(tested.owner) == 16)
    }

    @Test("a restore without the vault asks friends for their keys again")
    func lostVault() throws {
        try tested.remove(tested.vaultPath)
        let report = try restore(nil)
        #expect(report.lostKeyCount == 1 && report.lostJoins.map(\.name) == ["clara"])
        #expect(report.kept.map(\.name) == ["anna", "berta"])
        #expect(try tested.check().vault == .matching)
        let keyring = try tested.open()
        #expect(try keyring.friends.find(named: "berta")?.reach?.generation == nil)
        #expect(try keyring.friends.find(named: "berta")?.reach?.portals == [portal(1)])
        try take(keyring, generation: 1)
        #expect(try keyring.friends.find(named: "berta")?.reach?.generation == 1)
    }

    @Test("a restore from a backup brings back what it holds, in the place of what was there")
    func fromBackup() throws {
        let (generation, sequence): (UInt64, UInt64)
        do {
            let keyring = try tested.open()
            try keyring.friends.admit(person(7).publicKey, name: "dora", services: .all, now: now)
            try keyring.friends.remove(person(2).publicKey, now: now + 1_000)
            (generation, sequence) = try (keyring.circle.generation(), keyring.sequence())
        }
        let report = try restore(backup)
        #expect(report.kept.map(\.name) == ["anna", "berta"])
        // Its key of the vault is gone since.
        #expect(report.lostKeyCount == 1 && report.lostJoins.map(\.name) == ["clara"])
        let keyring = try tested.open()
        #expect(try keyring.names == ["anna", "berta"])
        #expect(try keyring.circle.generation() > generation && keyring.sequence() > sequence)
        #expect(
            try tested.names == [
                "backup", "keyring.mdb", "keyring.mdb-lock", "keyring.serving", "keyring.vault",
            ])
    }

    @Test("a restore makes a keyring where there is none, with the vault or without")
    func fromNothing() throws {
        try tested.remove(tested.storePath)
        #expect(throws: KeyringError.storeLost(path: tested.storePath)) { _ = try tested.open() }
        #expect(try restore(backup).lostKeyCount == 0)
        #expect(try tested.open().friends.find(named: "berta")?.reach?.generation == 1)
        try tested.remove(tested.storePath)
        try tested.remove(tested.vaultPath)
        #expect(throws: KeyringError.missing(path: tested.storePath)) {
            _ = try tested.open(ifMissing: .fail)
        }
        #expect(try restore(backup).lostKeyCount == 1)
        #expect(try tested.open().names == ["anna", "berta"])
    }

    @Test("another's backup, a damaged one and none are refused, and leave everything as it was")
    func refused() throws {
        let before = try Snapshot(tested.open())
        let other = try TestedKeyring(owner: 8)
        try other.open().backup(to: other.folder + "/backup", now: now)
        #expect(
            throws: KeyringError.otherOwner(other.owner.publicKey, expected: tested.owner.publicKey)
        ) { _ = try restore(other.folder + "/backup") }
        var bytes = try tested.read(backup)
        bytes[bytes.count / 2] ^= 4
        try tested.write(Array(bytes.prefix(9000)), to: backup)
        #expect(throws: KeyringError.self) { _ = try restore(backup) }
        #expect(throws: KeyringError.self) { _ = try restore(tested.folder + "/nothing") }
        #expect(throws: KeyringError.self) {
            _ = try Restore.run(
                from: nil, into: tested.folder, owner: other.endpoint, keeping: { _ in true }, now: now)
        }
        #expect(try Snapshot(tested.open()) == before)
        #expect(try !tested.names.contains { $0.hasPrefix("keyring.restoring") })
    }

    @Test("nobody restores under a process that serves, and one process serves at a time")
    func serving() throws {
        let child = try Child("KeyringChild")
        #expect(try child.ask(tested.line("serve")) == "serving")
        let error = #expect(throws: KeyringError.self) { _ = try ServingLock(folder: tested.folder) }
        guard case .alreadyServing(let pid?) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(pid > 0)
        #expect(throws: KeyringError.alreadyServing(pid: pid)) { _ = try restore(nil) }
        child.kill()
        // Its death gave the lock back.
        let lock = try ServingLock(folder: tested.folder)
        #expect(throws: KeyringError.self) { _ = try ServingLock(folder: tested.folder) }
        _ = consume lock
        _ = try ServingLock(folder: tested.folder)
        #expect(try tested.permissions(of: tested.folder + "/keyring.serving") == 0o600)
    }
}
