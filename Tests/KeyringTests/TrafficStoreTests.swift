import Foundation
import Keyring
import Testing
import TypedSodium

@Suite("What a portal's members have had, on the disk")
struct TrafficStoreTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/traffic-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    @Test("is there again in the same month, and gone in the next")
    func keeps() throws {
        let usages: [TrafficStore.Payer: Int] = [
            .member(try Identity.random().publicKey): 1 << 40, .source("2001:db8:0:0::/64"): 5,
        ]
        try withFolder { folder in
            do {
                let store = try TrafficStore(folder: folder)
                #expect(try store.load(month: 7).isEmpty)
                try store.save(usages, month: 7)
                try store.save([.source("2001:db8:0:0::/64"): 6], month: 7)
            }
            do {
                let store = try TrafficStore(folder: folder)
                #expect(try store.load(month: 7) == usages.merging([.source("2001:db8:0:0::/64"): 6]) { $1 })
                // A clock that was ahead once gives nobody a month anew.
                #expect(try store.load(month: 6).isEmpty)
                #expect(try store.load(month: 7).count == 2)
                #expect(try store.load(month: 8).isEmpty)
                #expect(try store.load(month: 7).isEmpty)
            }
        }
    }
}
