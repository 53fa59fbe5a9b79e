internal import Cluster
internal import NIOCore
internal import PortalCore
internal import Synchronization
internal import TypedSodium

/// What a machine of a cluster is told, in the order in which it came.
enum ClusterInput: Sendable {
    case engine(isUp: Bool)
    case message([UInt8], ClusterSubject)
    case linkUp(MachineID, isUp: Bool)
    case linkHeard(MachineID)
    case announced(PublicKey, NeighbourManner)
    case left(PublicKey)
    case lookUp(NeighbourLookUp, NeighbourTarget, NeighbourCaller, ClusterDriver.Asker)
    case failed(NeighbourLookUp, NeighbourFailure)
    case end(NeighbourLookUp)
    case policy(ClusterPolicyEvent)
    case drain(TimeAmount)
}

/// What waits for a machine's loop.
///
/// Of messages of others ``messageLimit`` and ``messageByteLimit`` bytes wait; what is more is dropped and counted, as if
/// the network had lost it. What the portal says is bounded by its connections, and never dropped.
final class ClusterInbox: Sendable {
    /// How many messages of others may wait.
    static let messageLimit = 16_384
    /// How many bytes of them.
    static let messageByteLimit = 32 << 20

    private struct State {
        var waiting = CircularBuffer<ClusterInput>()
        var messageCount = 0
        var messageByteCount = 0
        var crowdedOut = 0
        var isScheduled = false
        var lastLookUp: UInt64 = 0
    }

    private let state = Mutex(State())

    init() {}

    /// Messages of others that were dropped because too many waited.
    var crowdedOutCount: Int { state.withLock(\.crowdedOut) }

    /// A number for a look-up.
    func nextLookUp() -> NeighbourLookUp {
        state.withLock { state in
            state.lastLookUp += 1
            return NeighbourLookUp(state.lastLookUp)
        }
    }

    /// Lets something wait; whether the loop has to be told.
    func add(_ input: ClusterInput) -> Bool {
        state.withLock { state in
            if case .message(let bytes, _) = input {
                guard state.messageCount < Self.messageLimit,
                    state.messageByteCount + bytes.count <= Self.messageByteLimit
                else {
                    state.crowdedOut += 1
                    return false
                }
                state.messageCount += 1
                state.messageByteCount += bytes.count
            }
            state.waiting.append(input)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
    }

    /// Up to so many of what waits; where something is left, or comes, before this is called again, nobody is told.
    func take(_ limit: Int) -> (inputs: [ClusterInput], isMore: Bool) {
        state.withLock { state in
            let inputs = Array(state.waiting.prefix(limit))
            state.waiting.removeFirst(inputs.count)
            for case .message(let bytes, _) in inputs {
                state.messageCount -= 1
                state.messageByteCount -= bytes.count
            }
            state.isScheduled = !state.waiting.isEmpty
            return (inputs, state.isScheduled)
        }
    }
}
