import Blinding
import Foundation
import Invitation
import Keyring
import Logging
import NIOPosix
import Node
import Synchronization
import TestSupport
import Testing
import TypedSodium

@Suite("A joiner")
struct JoinerTests {
    private let folder: TemporaryFolder
    private let identity: Identity
    private let keyring: Keyring
    private let gate = CommitGate()

    init() throws {
        folder = try TemporaryFolder()
        identity = try Identity.random()
        var opening = Keyring.Opening(folder: folder.path, owner: EndpointKey(identity.publicKey))
        opening.observe = { [gate] point in gate.pass(point) }
        keyring = try Keyring(opening, now: WallClock.seconds())
    }

    private func code() throws -> String {
        let portal = try PortalAddress(
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
        await gate.hold(keyring)
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
        #expect(!gate.isOver, "this task was kept waiting for the keyring")
        gate.release()
        for join in joins { await join.value }
    }
}

/// Stops a thread that writes into a keyring in the midst of its transaction until it is told to go on, or, where nobody
/// can tell it, for 45 seconds.
private final class CommitGate: Sendable {
    private enum State {
        case open
        case closing(AsyncStream<Void>.Continuation)
        case held
        case over
    }

    private let released = DispatchSemaphore(value: 0)
    private let state = Mutex(State.open)

    /// Whether the transaction is not held any more.
    var isOver: Bool { state.withLock { if case .over = $0 { true } else { false } } }

    /// Has a thread begin a transaction, and returns when it holds the keyring.
    func hold(_ keyring: Keyring) async {
        let (beginnings, begins) = AsyncStream.makeStream(of: Void.self)
        state.withLock { $0 = .closing(begins) }
        Thread.detachNewThread { [self] in
            _ = try? keyring.friends.admit(
                Identity.random().publicKey, services: .all, now: WallClock.seconds())
            // Also where nothing came to be held: the test sees that it is over then.
            state.withLock { $0 = .over }
            begins.finish()
        }
        for await _ in beginnings {}
    }

    func release() { released.signal() }

    /// What the keyring calls at every point of a transaction.
    func pass(_ point: CommitPoint) {
        let begins = state.withLock { state -> AsyncStream<Void>.Continuation? in
            guard point == .prepared, case .closing(let begins) = state else { return nil }
            state = .held
            return begins
        }
        guard let begins else { return }
        begins.finish()
        _ = released.wait(timeout: .now() + 45)
        state.withLock { $0 = .over }
    }
}
