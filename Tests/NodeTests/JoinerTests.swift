import Blinding
import Foundation
import Keyring
import Logging
import NIOPosix
import Node
import Sodium
import Synchronization
import TestSupport
import Testing

@Suite("A joiner")
struct JoinerTests {
    private let folder: TemporaryFolder
    private let identity: Identity
    private let keyring: Keyring

    init() throws {
        folder = try TemporaryFolder()
        identity = try Identity.random()
        keyring = try Keyring(
            folder: folder.path, owner: EndpointKey(identity.publicKey), now: WallClock.seconds())
    }

    private func code() throws -> String {
        let portal = try InvitePortal(
            key: PortalKey(Identity.random().publicKey), host: "127.0.0.1", port: 1, isOpen: false,
            shownKey: Identity.random().publicKey)
        let code = try InviteCode(
            endpoint: EndpointKey(Identity.random().publicKey), seed: .random(), expiry: nil,
            portals: [portal])
        return String(decoding: try code.encoded(), as: UTF8.self)
    }

    /// One transaction writes at a time, so one that is held up keeps all joiners waiting, and nobody else.
    @Test("waits for the keyring where nobody else has to wait for that", .timeLimit(.minutes(1)))
    func blocking() async throws {
        let writer = HeldWriter(folder: folder.path, owner: identity.publicKey)
        await writer.begin()
        let joiner = Joiner(
            identity: identity, keyring: keyring, settings: Settings(), logger: Logger(label: "test"))
        let joins = try (0..<2 * ProcessInfo.processInfo.activeProcessorCount).map { _ in
            let code = try code()
            return Task {
                _ = await #expect(throws: JoinFailure.self) {
                    _ = try await joiner.join(
                        try InviteCode(code), name: nil, on: MultiThreadedEventLoopGroup.singleton.next())
                }
            }
        }
        // More tasks than the pool has threads take their turns while the joiners wait.
        for _ in 0..<100 { await Task.yield() }
        await withTaskGroup(of: Void.self) { tasks in
            for _ in 0..<100 { tasks.addTask { await Task.yield() } }
        }
        #expect(!writer.isOver, "this task was kept waiting for the keyring")
        writer.release()
        for join in joins { await join.value }
    }
}

/// A thread that writes into a keyring and stops in the midst of its transaction until it is told to go on, or, where
/// nobody can tell it, for ten seconds.
private final class HeldWriter: Sendable {
    private let folder: String
    private let owner: PublicKey
    private let released = DispatchSemaphore(value: 0)
    private let isDone = Mutex(false)

    init(folder: String, owner: PublicKey) { (self.folder, self.owner) = (folder, owner) }

    var isOver: Bool { isDone.withLock(\.self) }

    /// Returns when the transaction holds the keyring.
    func begin() async {
        let (beginnings, begins) = AsyncStream.makeStream(of: Void.self)
        Thread.detachNewThread { [self] in
            var opening = Keyring.Opening(folder: folder, owner: EndpointKey(owner))
            opening.observe = { [self] point in
                guard point == .prepared else { return }
                begins.finish()
                _ = released.wait(timeout: .now() + 10)
                isDone.withLock { $0 = true }
            }
            _ = try? Keyring(opening, now: WallClock.seconds()).admit(
                try Self.somebody(), services: .all, now: WallClock.seconds())
            // Also where nothing came to be held: the test sees that it is over then.
            isDone.withLock { $0 = true }
            begins.finish()
        }
        for await _ in beginnings {}
    }

    func release() { released.signal() }

    private static func somebody() throws -> PublicKey { try Identity.random().publicKey }
}
