import Multiserver
import NIOCore
import TestSupport

/// An adversary on a wire to the portal.
final class HostilePeer: WirePeer {
    let adversary: AdversarialPeer

    init(_ plan: AdversaryPlan, in context: AdversaryContext) {
        adversary = AdversarialPeer(plan, in: context)
    }

    func nextOutbound() -> ByteBuffer? { adversary.nextOutput() }

    func receive(_ bytes: ByteBuffer) { adversary.receive(bytes) }

    func inputEnded() { adversary.inputEnded() }

    var wantsInput: Bool { adversary.reads }

    var hangsUp: Bool { adversary.isDone && adversary.hangsUp }
}
