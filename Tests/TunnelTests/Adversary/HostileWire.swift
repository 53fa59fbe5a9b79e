import Blinding
import Multiserver
import NIOCore
import SecretHandshake
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// A node that has dialled an adversary, which is portal and far side of every tunnel in one.
final class HostileWire {
    let adversary: AdversarialPeer
    let node: NodePeer
    /// Who the adversary is, outside and inside.
    let portal: PublicKey
    private let clock = Clock()
    private var hasToldEnd = false

    private final class Clock {
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    }

    /// An adversary against a node with that policy; where there is a token, the node is hidden and the adversary owns it.
    init(_ plan: AdversaryPlan, policy: EndpointPolicy?, token: PairToken? = nil) throws {
        let network = NetworkIdentifier(FixedBytes<32>())
        let (own, other) = (try Identity.random(), try Identity.random())
        var context = AdversaryContext(network: network, identity: other, victim: own.publicKey)
        context.portal = other.publicKey
        if let token { context.targetName = token.target }
        portal = other.publicKey
        adversary = AdversarialPeer(plan, in: context)
        let reception = policy.map { token == nil ? NodeConnection.Reception.open($0) : .hidden($0) }
        node = try NodePeer(
            own, reception: reception ?? .none, to: other.publicKey, network: network
        ) { [clock] in clock.now }
    }

    /// Lets everything happen that can happen at this moment.
    func run() {
        var (hasMoved, steps) = (true, 0)
        while hasMoved, steps < 100_000 {
            hasMoved = false
            while adversary.reads, let bytes = node.nextOutbound() {
                adversary.receive(bytes)
                hasMoved = true
                steps += 1
            }
            while node.wantsInput, let bytes = adversary.nextOutput() {
                node.receive(bytes)
                hasMoved = true
                steps += 1
            }
            if adversary.isDone, adversary.hangsUp, !hasToldEnd {
                hasToldEnd = true
                node.inputEnded()
                hasMoved = true
            }
        }
        if hasMoved { Issue.record("does not come to rest: \(adversary)") }
    }

    /// Moves the clock, stopping at every deadline in between.
    func wait(_ amount: TimeAmount) {
        let end = clock.now + amount
        while let deadline = node.deadline, deadline <= end {
            clock.now = max(clock.now, deadline)
            node.timeReached()
            run()
        }
        clock.now = end
    }

    func close() {
        node.node.close(at: clock.now)
        run()
        wait(.seconds(3))
    }
}
