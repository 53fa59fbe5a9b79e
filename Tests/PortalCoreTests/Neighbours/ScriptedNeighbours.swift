import PortalCore
import Synchronization
import TypedSodium

/// Other machines as the tests play them: they keep what they are asked, and say what they are told to.
final class ScriptedNeighbours: PortalNeighbours {
    struct Asked: Sendable {
        let lookUp: NeighbourLookUp
        let target: NeighbourTarget
        let caller: NeighbourCaller
        let take: @Sendable (NeighbourStep) -> Void
    }

    private struct State {
        var asked: [Asked] = []
        var failures: [NeighbourFailure] = []
        var ended: [NeighbourLookUp] = []
    }

    private let state = Mutex(State())

    var asked: [Asked] { state.withLock(\.asked) }
    var failures: [NeighbourFailure] { state.withLock(\.failures) }
    /// How many look-ups are not over.
    var openCount: Int { state.withLock { $0.asked.count - Set($0.ended).count } }
    /// Whether none was ended twice.
    var endsOnce: Bool { state.withLock { $0.ended.count == Set($0.ended).count } }

    func announced(_ peer: PublicKey, _ manner: NeighbourManner) {}
    func left(_ peer: PublicKey) {}

    func lookUp(
        _ target: NeighbourTarget, for caller: NeighbourCaller,
        take: @escaping @Sendable (NeighbourStep) -> Void
    ) -> NeighbourLookUp {
        state.withLock { state in
            let lookUp = NeighbourLookUp(UInt64(state.asked.count + 1))
            let said: @Sendable (NeighbourStep) -> Void = { step in
                if case .reach = step {} else { self.end(lookUp) }
                take(step)
            }
            state.asked.append(Asked(lookUp: lookUp, target: target, caller: caller, take: said))
            return lookUp
        }
    }

    func failed(_ lookUp: NeighbourLookUp, _ failure: NeighbourFailure) {
        state.withLock { $0.failures.append(failure) }
    }

    func end(_ lookUp: NeighbourLookUp) { state.withLock { $0.ended.append(lookUp) } }
}
