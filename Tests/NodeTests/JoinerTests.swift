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

    /// One transaction writes at a time, so a long one keeps all joiners waiting, and nobody else.
    @Test("waits for the keyring where nobody else has to wait for that", .timeLimit(.minutes(1)))
    func blocking() async throws {
        var random = SeededRandom(seed: 91)
        let others = try (0..<10_000).map { _ in PublicKey(try FixedBytes(random.bytes(32))) }
        let (beginnings, begins) = AsyncStream.makeStream(of: Void.self)
        let (ends, writerEnds) = AsyncStream.makeStream(of: Bool.self)
        let isOver = Mutex(false)
        let keyring = keyring
        Thread.detachNewThread {
            begins.finish()
            let isWritten = (try? Self.fill(keyring, with: others)) != nil
            isOver.withLock { $0 = true }
            writerEnds.yield(isWritten)
            writerEnds.finish()
        }
        for await _ in beginnings {}
        try await Task.sleep(for: .milliseconds(50))
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
        for _ in 0..<10 { try await Task.sleep(for: .milliseconds(5)) }
        let wasOver = isOver.withLock(\.self)
        #expect(!wasOver, "this task was kept waiting, or the machine wrote too fast")
        for await isWritten in ends { #expect(isWritten) }
        for join in joins { await join.value }
    }

    private static func fill(_ keyring: Keyring, with others: [PublicKey]) throws {
        let grant = try CircleGrant(
            name: "x", generation: 1, epoch: Epoch(unixSeconds: WallClock.seconds()), key: .random(),
            portals: [])
        try keyring.populate(others, with: grant)
    }
}
