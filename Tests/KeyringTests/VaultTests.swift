import Blinding
import Invitation
import Keyring
import LMDB
import TestSupport
import Testing
import TypedSodium

/// What stands in the files, once something was removed from the keyring.
@Suite("The vault")
struct VaultTests {
    private let tested: TestedKeyring
    private let now = TestedKeyring.now
    private let day = TestedKeyring.day
    private let granted = [UInt8](repeating: 0xA7, count: 32)

    init() throws { tested = try TestedKeyring() }

    /// The sealed secrets of a store, straight from its tables.
    private func sealedSecrets() throws -> [[UInt8]] {
        try tested.openStore().read { (transaction) throws(LMDBError) in
            let entries =
                try transaction.entries(in: Table("circles")) + transaction.entries(in: Table("pending"))
            return entries.map { Array($0.value.payload.suffix(72)) }
        }
    }

    /// The keys in the vault's slots, blank ones left out.
    private func vaultKeys() throws -> [[UInt8]] {
        let bytes = try tested.read(tested.vaultPath)
        #expect(bytes.count == 8192)
        return [0, 4096].map { Array(bytes[$0 + 8..<$0 + 40]) }.filter { $0.contains { $0 != 0 } }
    }

    private func opens(_ sealed: [UInt8], under key: [UInt8]) throws -> Bool {
        let nonce = try Nonce(sealed.prefix(24))
        let box = Array(sealed.dropFirst(24))
        let key = try SecretKey(copying: key.span)
        return (try? SecretBox.open(box.span, key: key, nonce: nonce)) != nil
    }

    /// A keyring with a friend to remove, a circle of another, and an invite to redeem; with their secrets.
    private func fill() throws -> (keys: [[UInt8]], sealed: [[UInt8]], vault: [[UInt8]]) {
        var keys: [[UInt8]] = []
        do {
            let keyring = try tested.open()
            try keyring.friends.admit(person(2).publicKey, name: "anna", services: .all, now: now)
            let grant = try CircleGrant(
                name: "x", generation: 1, epoch: TestedKeyring.today,
                key: SecretKey(copying: granted.span), portals: [portal(1)])
            _ = try keyring.circle.take(grant, from: endpointKey(2), now: now)
            let code = try InviteCode(
                endpoint: endpointKey(3), seed: person(100).seed(), expiry: nil, portals: [portal(1)])
            try keyring.joins.begin(code, name: "berta", now: now)
            keys = [
                try keyring.circle.grant(name: "x", now: now).keyBytes, granted,
                bytes(try person(100).seed()),
            ]
        }
        let sealed = try sealedSecrets()
        let vault = try vaultKeys()
        #expect(sealed.count == 3 && vault.count == 1)
        #expect(try sealed.allSatisfy { try opens($0, under: vault[0]) })
        return (keys, sealed, vault)
    }

    private func contains(_ file: [UInt8], _ needle: [UInt8]) -> Bool {
        guard let first = needle.first, file.count >= needle.count else { return false }
        return file.indices.dropLast(needle.count - 1).contains { start in
            file[start] == first && file[start..<start + needle.count].elementsEqual(needle)
        }
    }

    /// Neither file has any of the keys, raw or in Base64, and nothing in the vault opens the former secrets.
    private func expectGone(
        keys: [[UInt8]], sealed: [[UInt8]], vault: [[UInt8]], _ comment: Comment
    ) throws {
        let store = try tested.read(tested.storePath)
        let current = try tested.read(tested.vaultPath)
        for key in keys + vault {
            let digits = TextEncoding.base64.encode(key.span)
            // Without what the neighbours of a key would make of its last digits.
            for needle in [key, digits, Array(digits.prefix(42))] {
                #expect(!contains(store, needle) && !contains(current, needle), comment)
            }
        }
        for box in sealed {
            for start in 0...current.count - 32 where current[start..<start + 32].contains(where: { $0 != 0 })
            {
                #expect(try !opens(box, under: Array(current[start..<start + 32])), comment)
            }
        }
        #expect(try vaultKeys().count == 1)
    }

    @Test("removing a friend leaves no key of before, and nothing that opens what was sealed")
    func removal() throws {
        let before = try fill()
        try tested.open().friends.remove(person(2).publicKey, now: now)
        try expectGone(keys: before.keys, sealed: before.sealed, vault: before.vault, "removal")
        #expect(try tested.check().vault == .matching)
    }

    @Test("a day passing leaves no key of before, and nothing that opens what was sealed")
    func rotation() throws {
        var before = try fill()
        for days in 1...4 {
            let keyring = try tested.open(now: now + UInt64(days) * day)
            #expect(try keyring.friends.all().count == 2)
        }
        try expectGone(keys: before.keys, sealed: before.sealed, vault: before.vault, "rotation")
        before.sealed = try sealedSecrets()
        before.vault = try vaultKeys()
        _ = try tested.open(now: now + 5 * day)
        try expectGone(keys: before.keys, sealed: before.sealed, vault: before.vault, "another day")
        #expect(try tested.open(now: now + 5 * day).joins.pending(of: endpointKey(3)) != nil)
    }

    @Test("a later generation, a redeemed invite and one that was given up leave nothing either")
    func replacement() throws {
        let before = try fill()
        do {
            let keyring = try tested.open()
            let grant = try CircleGrant(
                name: "x", generation: 2, epoch: TestedKeyring.today, key: SecretKey.random(), portals: [])
            #expect(try keyring.circle.take(grant, from: endpointKey(2), now: now) == .taken)
        }
        try expectGone(keys: [granted], sealed: before.sealed, vault: before.vault, "generation")
        let sealed = try sealedSecrets()
        let vault = try vaultKeys()
        try tested.open().joins.abandon(of: endpointKey(3))
        try expectGone(keys: before.keys, sealed: sealed, vault: vault, "abandoned")
    }

    @Test("the vault keeps its file, its length and its mode")
    func inPlace() throws {
        _ = try fill()
        let number = try inode()
        for _ in 0..<3 {
            let keyring = try tested.open()
            try keyring.friends.admit(person(9).publicKey, services: .all, now: now)
            try keyring.friends.remove(person(9).publicKey, now: now)
        }
        #expect(try inode() == number)
        #expect(try tested.names == ["keyring.mdb", "keyring.mdb-lock", "keyring.vault"])
        #expect(try tested.permissions(of: tested.vaultPath) == 0o600)
        #expect(try tested.permissions(of: tested.storePath) == 0o600)
    }

    private func inode() throws -> Int { try tested.inode(of: tested.vaultPath) }

    @Test("another's vault, an older one, a damaged one and none are refused, and nothing is changed")
    func lost() throws {
        _ = try fill()
        let old = try tested.read(tested.vaultPath)
        let other = try TestedKeyring(owner: 2)
        _ = try other.open()
        try tested.open().friends.remove(person(2).publicKey, now: now)
        let current = try tested.read(tested.vaultPath)
        var flipped = current
        let place = try #require(current.firstIndex { $0 != 0 })
        flipped[place + 7] ^= 1
        let vaults = [old, try other.read(other.vaultPath), flipped, Array(current.prefix(20)), []]
        for bytes in vaults {
            try tested.write(bytes, to: tested.vaultPath)
            let store = try tested.read(tested.storePath)
            #expect(throws: KeyringError.vaultLost(path: tested.vaultPath)) { _ = try tested.open() }
            #expect(try tested.read(tested.vaultPath) == bytes)
            #expect(try tested.read(tested.storePath) == store)
            #expect(try tested.check().vault == .lost)
        }
        try tested.remove(tested.vaultPath)
        #expect(throws: KeyringError.vaultLost(path: tested.vaultPath)) { _ = try tested.open() }
        #expect(KeyringError.vaultLost(path: "x").description.contains("cway keyring restore"))
        try tested.write(current, to: tested.vaultPath)
        #expect(try tested.open().names == ["berta"])
    }

    @Test("a vault that others may read is refused, and so is a link to one")
    func exposed() throws {
        _ = try tested.open()
        let bytes = try tested.read(tested.vaultPath)
        try tested.write(bytes, to: tested.vaultPath, permissions: 0o640)
        #expect(throws: KeyringError.exposed(path: tested.vaultPath, permissions: 0o640)) {
            _ = try tested.open()
        }
        try tested.remove(tested.vaultPath)
        try tested.write(bytes, to: tested.folder + "/elsewhere")
        try tested.link(tested.vaultPath, to: "elsewhere")
        #expect(throws: KeyringError.exposed(path: tested.vaultPath, permissions: 0o777)) {
            _ = try tested.open()
        }
    }
}
