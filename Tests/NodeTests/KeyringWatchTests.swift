import Blinding
import Foundation
import Keyring
import Logging
import Node
import SecretHandshake
import Testing
import TypedSodium

@Suite("A watch over a keyring", .timeLimit(.minutes(1)))
struct KeyringWatchTests {
    @Test("tells of a change again that could not be read when it was seen first")
    func halfCommitted() async throws {
        let folder = try TemporaryFolder()
        let keyring = try Keyring(
            folder: folder.path, owner: EndpointKey(Identity.random().publicKey), now: WallClock.seconds())
        let friend = try Identity.random().publicKey
        try keyring.friends.admit(friend, name: "anna", services: .all, now: WallClock.seconds())
        let former = try keyring.readNumber()
        let lock = try LockFile(of: keyring, in: folder)
        _ = try keyring.friends.remove(friend, now: WallClock.seconds())
        let newest = try keyring.readNumber()

        // As while the disk is noting the commit: its number is there, and reads see what was before.
        try lock.setReadNumber(former)
        #expect(try keyring.stateNumber == newest && keyring.readNumber() == former)
        let (counts, continuation) = AsyncStream.makeStream(of: Int.self)
        let watch = KeyringWatch(keyring: keyring, logger: Logger(label: "test")) {
            continuation.yield(try keyring.friends.all().count)
            try lock.setReadNumber(newest)
        }
        let watching = Task { await watch.run() }
        defer { watching.cancel() }
        var told: [Int] = []
        for await count in counts {
            told.append(count)
            if count == 0 { break }
        }
        #expect(told == [1, 0])
    }
}

/// LMDB's number of the commit that reads see, which stands in the file of its locks.
///
/// It stays open as long as the keyring: to close it would give up LMDB's own locks.
private final class LockFile: Sendable {
    private let file: FileHandle
    private let offset: UInt64

    init(of keyring: Keyring, in folder: TemporaryFolder) throws {
        file = try #require(FileHandle(forUpdatingAtPath: "\(folder.path)/keyring.mdb-lock"))
        let words = try #require(try file.read(upToCount: 128))
        let number = Self.bytes(of: try keyring.readNumber())
        // Behind a mutex, whose length is the system's.
        let offset = stride(from: 8, to: words.count, by: 8).first {
            words[$0..<min($0 + 8, words.count)].elementsEqual(number)
        }
        self.offset = UInt64(try #require(offset))
    }

    func setReadNumber(_ number: Int) throws {
        try file.seek(toOffset: offset)
        try file.write(contentsOf: Self.bytes(of: number))
    }

    private static func bytes(of number: Int) -> Data {
        Data((0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) })
    }
}
