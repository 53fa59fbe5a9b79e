internal import Blinding
internal import Foundation
internal import Keyring
internal import TypedSodium

/// A keyring's file with bytes changed: a look at it says what is wrong, and ends nobody.
enum KeyringFuzz {
    private static let now: UInt64 = 1_795_000_000

    static func run(_ input: inout FuzzInput) {
        do {
            let folder = FileManager.default.temporaryDirectory.appending(path: "cway-fuzz-\(UUID())").path
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            defer { try? FileManager.default.removeItem(atPath: folder) }
            var store = template.store
            spoil(&store, &input)
            try write(store, to: "\(folder)/keyring.mdb")
            try write(template.vault, to: "\(folder)/keyring.vault")
            try use(folder)
        } catch {
            return  // refused in words
        }
    }

    private static func spoil(_ store: inout Data, _ input: inout FuzzInput) {
        guard input.choice(16) != 15 else {
            store = Data(input.rest())
            return
        }
        for _ in 0..<(1 + input.choice(6)) where !store.isEmpty {
            // Meta pages are the first two of 4096 bytes; what they lead to stands behind them.
            let page = input.choice(4) == 0 ? input.choice(2) : input.choice(max(1, store.count / 4096))
            let offset = page * 4096 + (input.choice(2) == 0 ? input.choice(160) : input.number() % 4096)
            guard offset < store.count else { continue }
            store[offset] =
                input.choice(2) == 0 ? input.byte() : store[offset] ^ (1 << UInt8(input.choice(8)))
        }
        if input.choice(16) == 0 { store = store.prefix(input.number() * 16) }
    }

    private static func use(_ folder: String) throws {
        _ = try KeyringCheck.run(folder: folder)
        let keyring = try Keyring(
            folder: folder, owner: EndpointKey(FuzzKeys.endpoint.publicKey), now: now, ifMissing: .fail)
        _ = try keyring.friends.all()
        _ = try keyring.invites.all()
        _ = try keyring.portals.announced()
        _ = try keyring.circle.grant(name: "home", now: now)
    }

    private static func write(_ data: Data, to path: String) throws {
        guard
            FileManager.default.createFile(
                atPath: path, contents: data, attributes: [.posixPermissions: 0o600])
        else { throw CocoaError(.fileWriteUnknown) }
    }

    /// A healthy keyring with something in every table that an owner uses.
    private static let template: (store: Data, vault: Data) = {
        do {
            let folder = FileManager.default.temporaryDirectory.appending(path: "cway-fuzz-\(UUID())").path
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            defer { try? FileManager.default.removeItem(atPath: folder) }
            do {
                let keyring = try Keyring(
                    folder: folder, owner: EndpointKey(FuzzKeys.endpoint.publicKey), now: now)
                for seed: UInt8 in 30..<40 {
                    try keyring.friends.admit(
                        FuzzKeys.identity(seed).publicKey, name: "friend\(seed)", services: .all, now: now)
                }
                try keyring.friends.remove(FuzzKeys.identity(30).publicKey, now: now)
            }
            return (
                try Data(contentsOf: URL(filePath: "\(folder)/keyring.mdb")),
                try Data(contentsOf: URL(filePath: "\(folder)/keyring.vault"))
            )
        } catch {
            preconditionFailure("a keyring can be made: \(error)")
        }
    }()
}
