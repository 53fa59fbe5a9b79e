import Blinding
import Foundation
import Keyring
import LMDB
import TestSupport
import Testing
import TypedSodium

/// Every damaged keyring is given to another process: one that ends by a signal there fails the test.
@Suite("Damaged keyrings")
struct DamageTests {
    private let tested: TestedKeyring
    private let child: Child
    private let store, vault: [UInt8]
    private let contents: String
    private let pageByteCount = 4096

    init() throws {
        tested = try TestedKeyring()
        child = try Child("KeyringChild")
        do {
            let keyring = try tested.open()
            for number in 2..<40 {
                try keyring.friends.admit(person(number).publicKey, services: .all, now: TestedKeyring.now)
            }
            for number in 100..<110 { try keyring.invite(number) }
            for number in 2..<6 {
                try keyring.friends.remove(person(number).publicKey, now: TestedKeyring.now)
            }
        }
        (store, vault) = try (tested.read(tested.storePath), tested.read(tested.vaultPath))
        contents = try child.ask(tested.line("open"))
        #expect(contents.hasPrefix("holds "))
    }

    /// What another process says about a keyring with these files.
    private func verdict(_ store: [UInt8], vault: [UInt8]? = nil) throws -> String {
        try tested.write(store, to: tested.storePath)
        try tested.write(vault ?? self.vault, to: tested.vaultPath)
        return try child.ask(tested.line("open"))
    }

    /// Whether it says what is wrong, and what to do about it.
    private func isHelpful(_ said: String) -> Bool {
        said.hasPrefix("refused ") && said.contains(": ")
            && (said.contains("restore") || said.contains("put "))
    }

    @Test("a keyring that was cut off is refused, unless only free pages are lost")
    func truncated() throws {
        for pages in 0..<store.count / pageByteCount {
            for more in [0, 100] {
                let said = try verdict(Array(store.prefix(pages * pageByteCount + more)))
                #expect(isHelpful(said) || said == contents && pages > 2, "\(pages): \(said)")
            }
        }
    }

    @Test("a keyring that has lost a meta page is refused")
    func lostMeta() throws {
        for page in 0..<2 {
            var bytes = store
            bytes.replaceSubrange(
                page * pageByteCount..<(page + 1) * pageByteCount,
                with: [UInt8](repeating: 0, count: pageByteCount))
            #expect(isHelpful(try verdict(bytes)))
        }
    }

    @Test("a flipped byte anywhere in the store is refused or means nothing")
    func flippedStore() throws {
        var random = SeededRandom(seed: 12)
        for _ in 0..<300 {
            var bytes = store
            let place = Int.random(in: 0..<bytes.count, using: &random)
            bytes[place] ^= UInt8.random(in: 1...255, using: &random)
            let said = try verdict(bytes)
            #expect(isHelpful(said) || said == contents, "byte \(place): \(said)")
        }
    }

    @Test("a flipped bit anywhere in the vault's slot is refused, and one outside of it means nothing")
    func flippedVault() throws {
        let start = try #require(vault.firstIndex { $0 != 0 }) / pageByteCount * pageByteCount
        for place in start..<start + 48 {
            var bytes = vault
            bytes[place] ^= 1 << UInt8(place % 8)
            let said = try verdict(store, vault: bytes)
            #expect(said.hasPrefix("refused the vault") && isHelpful(said), "byte \(place): \(said)")
        }
        for place in stride(from: 48, to: 8192, by: 333) where place < start || place >= start + 48 {
            var bytes = vault
            bytes[place] ^= 1
            #expect(try verdict(store, vault: bytes) == contents, "byte \(place)")
        }
    }

    @Test("an empty file, another program's, and one of a later version are refused")
    func foreign() throws {
        var random = SeededRandom(seed: 13)
        for bytes in [[], random.bytes(20_000), Array(String(repeating: "no store\n", count: 2000).utf8)] {
            #expect(isHelpful(try verdict(bytes)))
        }
        for (identity, version) in [("somebody else", UInt32(1)), ("companionway keyring", 4)] {
            let path = tested.folder + "/other"
            do {
                _ = try Environment(
                    path: path, schema: Schema(identity: identity, version: version, tables: [Table("x")]))
            }
            let said = try verdict(tested.read(path))
            #expect(
                said.hasPrefix("refused the store") && said.contains(version == 4 ? "install" : "belongs to"))
            try tested.remove(path)
        }
    }

    @Test("another owner's keyring is refused, and both swapped files of two keyrings are")
    func swapped() throws {
        let other = try TestedKeyring(owner: 50)
        _ = try other.open()
        let (theirs, theirVault) = try (other.read(other.storePath), other.read(other.vaultPath))
        #expect(try verdict(theirs, vault: theirVault).hasPrefix("refused the keyring belongs to another"))
        #expect(try verdict(theirs).hasPrefix("refused the keyring belongs to another"))
        #expect(try verdict(store, vault: theirVault).hasPrefix("refused the vault"))
        #expect(try verdict(store) == contents)
    }

    @Test("records that contradict each other are found by a check, whatever their checksums")
    func contradictions() throws {
        for name in ["state", "names", "ghosts", "circles", "friends", "invites"] {
            for isRemoved in [true, false] {
                try tested.write(store, to: tested.storePath)
                try tested.openStore().write { (transaction) throws(LMDBError) in
                    let table = Table(name)
                    guard let first = try transaction.first(in: table) else { return }
                    if isRemoved {
                        try transaction.remove(first.key, from: table)
                    } else {
                        let shorter = CheckedValue(
                            version: 1, payload: Array(first.value.payload.dropLast()))
                        try transaction.put(shorter, for: first.key, in: table)
                    }
                }
                // The first single record is how many entries there are, which can be counted.
                let isHarmless = name == "state" && isRemoved
                let error = Result { () throws(KeyringError) in try tested.check() }
                if case .success = error { #expect(isHarmless, "\(name), \(isRemoved)") }
            }
        }
    }
}
