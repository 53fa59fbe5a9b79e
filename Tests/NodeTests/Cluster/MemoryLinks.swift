import Cluster
import NIOCore
import PortalCore
import Synchronization
import Transport

/// The links between machines of a test, in memory; each call hands over at once.
final class MemoryLinks: Sendable {
    private struct State {
        var machines: [MachineID: @Sendable (MachineLinkEvent) -> Void] = [:]
        var pairs: Set<Set<MachineID>> = []
        var sessions: [MachineID] = []
    }

    private let state = Mutex(State())

    /// How many sessions for tunnels were asked for, by the machine that they lead to.
    var sessions: [MachineID] { state.withLock(\.sessions) }

    /// The links as one machine has them.
    func ends(of machine: MachineID, _ tell: @escaping @Sendable (MachineLinkEvent) -> Void) -> End {
        state.withLock { $0.machines[machine] = tell }
        return End(links: self, machine: machine)
    }

    /// A machine is gone with all its links.
    func kill(_ machine: MachineID) {
        let others = state.withLock { state in
            state.machines[machine] = nil
            let pairs = state.pairs.filter { $0.contains(machine) }
            state.pairs.subtract(pairs)
            return pairs.flatMap { $0.subtracting([machine]) }.compactMap { state.machines[$0] }
        }
        for tell in others { tell(.down(machine)) }
    }

    struct End: MachineLinks {
        fileprivate let links: MemoryLinks
        fileprivate let machine: MachineID

        func dial(_ other: MachineID, at address: String) {
            let (own, theirs) = links.state.withLock { state in
                let (own, theirs) = (state.machines[machine], state.machines[other])
                if own != nil, theirs != nil { state.pairs.insert([machine, other]) }
                return (own, theirs)
            }
            guard let own, let theirs else { return own?(.down(other)) ?? () }
            own(.up(other))
            theirs(.up(machine))
        }

        func hangUp(_ other: MachineID) {
            links.state.withLock { _ = $0.pairs.remove([machine, other]) }
        }

        func send(_ message: [UInt8], to other: MachineID) {
            let tell = links.state.withLock { state in
                state.pairs.contains([machine, other]) ? state.machines[other] : nil
            }
            tell?(.message(message, from: machine))
        }

        func session(
            to other: MachineID, at address: String, on loop: any EventLoop
        ) -> EventLoopFuture<ConnectionID?> {
            let isThere = links.state.withLock { state in
                state.sessions.append(other)
                return state.pairs.contains([machine, other])
            }
            return loop.makeSucceededFuture(isThere ? ConnectionID(other.number) : nil)
        }
    }
}
