internal import Transport

/// Why another connection to a portal is wanted beside one that stands.
enum SuccessorWish: Equatable, Sendable {
    /// Nothing was heard of the portal for some seconds.
    case silence
    /// The portal's machine is about to stop, and has asked for it.
    case move
}

/// The wishes of a connection, from its event loop to a task; the newest counts.
final class SuccessorWishes: Sendable {
    /// Each wish, as it comes.
    let all: AsyncStream<SuccessorWish>
    private let continuation: AsyncStream<SuccessorWish>.Continuation

    /// Nothing is wished for.
    init() {
        (all, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Takes note of what may be one.
    func note(_ event: NodeLinkEvent) {
        switch event {
        case .fellSilent: continuation.yield(.silence)
        case .moveAsked: continuation.yield(.move)
        default: break
        }
    }
}
