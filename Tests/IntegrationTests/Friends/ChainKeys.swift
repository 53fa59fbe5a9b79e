import Blinding
import Foundation
import Keyring
import PeerSupport
import Testing
import TypedSodium

/// Keys that have to be gone once their time is over, as a test knows them beforehand.
struct ChainKeys {
    /// What to look for, in the forms in which it might be left.
    private(set) var needles: [String: [UInt8]] = [:]

    /// Adds the chain key of a grant, and those of the days after it up to another day.
    mutating func add(_ grant: borrowing CircleGrant, through last: Epoch) throws {
        var epoch = grant.epoch
        while epoch <= last {
            let key = try ChainKey.advance(grant.key, from: grant.epoch, to: epoch)
            needles.merge(Traces.of("chain key of \(epoch.number)", Self.bytes(key))) { $1 }
            epoch = try #require(epoch.next)
        }
    }

    /// Adds the keys in the vault of a home, which open what stands in old pages of its store.
    ///
    /// - Returns: under which names.
    @discardableResult
    mutating func addVault(of home: String, on stage: Stage) throws -> Set<String> {
        let slotByteCount = 4_096
        let bytes = try Data(contentsOf: URL(fileURLWithPath: stage.path("\(home)/keyring.vault")))
        try #require(bytes.count == 2 * slotByteCount)
        var names: Set<String> = []
        for start in [0, slotByteCount] {
            let key = Array(bytes[start + 8..<start + 40])
            guard key.contains(where: { $0 != 0 }) else { continue }
            let name = "vault key of \(home) at \(start)"
            needles.merge(Traces.of(name, key)) { $1 }
            names.insert("\(name), raw")
        }
        try #require(!names.isEmpty)
        return names
    }

    /// Which of them are in a file of a home.
    func found(inHome home: String, on stage: Stage) throws -> Set<String> {
        let names = try FileManager.default.subpathsOfDirectory(atPath: stage.path(home))
        try #require(names.contains("keyring.mdb") && names.contains("keyring.vault"))
        return try names.reduce(into: []) { found, name in
            guard let file = FileManager.default.contents(atPath: stage.path("\(home)/\(name)")) else {
                return
            }
            try #require(!file.isEmpty || name.hasSuffix(".serving"), "\(name) is empty")
            found.formUnion(Array(file).occurrences(of: needles))
        }
    }

    /// Which of them are in the memory of a process, which is seen to be looked through by the private key in it.
    func found(in process: CwayProcess, of owner: Identity) throws -> Set<String> {
        var needles = needles
        needles["seed"] = Self.bytes(owner.seed())
        let found = try ProcessMemory(of: process).found(needles)
        #expect(found.contains("seed"), "the search finds nothing")
        return found.subtracting(["seed"])
    }

    private static func bytes(_ key: borrowing SecretKey) -> [UInt8] {
        var bytes: [UInt8] = []
        key.append(to: &bytes)
        return bytes
    }
}
