internal import Synchronization
internal import Transport

/// Why another connection to a portal is wanted beside one that stands.
enum SuccessorWish: Equatable, Sendable {
    /// Nothing was heard of the portal for some seconds.
    case silence
    /// The portal's machine is about to stop, and has asked for it.
    case move
}

/// The wishes of a connection, from its event loop to a task; the newest counts, and none after a move.
final class SuccessorWishes: Sendable {
    /// Each wish, as it comes.
    let all: AsyncStream<SuccessorWish>
    private let continuation: AsyncStream<SuccessorWish>.Continuation
    private let wasAskedToMove = Mutex(false)

    /// Nothing is wished for.
    init() {
        (all, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Takes note of what may be one.
    func note(_ event: NodeLinkEvent) {
        switch event {
        case .fellSilent:
            // A move is asked for once only: nothing may come in its place.
            if !wasAskedToMove.withLock(\.self) { continuation.yield(.silence) }
        case .moveAsked:
            wasAskedToMove.withLock { $0 = true }
            continuation.yield(.move)
        default: break
        }
    }
}
