import BoxStream
import MuxRPC
import NIOCore
import SecretHandshake
import SecureSession
import TestSupport
import Testing
import TypedSodium

@Suite("A session against an adversary")
struct AdversaryTests {
    @Test("random plans", arguments: 0..<12)
    func randomPlans(block: Int) throws {
        for seed in UInt64(block * 20)..<UInt64(block * 20 + 20) {
            try Self.meet(AdversaryPlan(seed: seed, depth: .outer))
        }
    }

    @Test("every misdeed in both roles", arguments: Misdeed.allCases)
    func everyMisdeed(misdeed: Misdeed) throws {
        for role in AdversaryPlan.Role.allCases {
            for seed in 1000..<1002 as Range<UInt64> {
                try Self.meet(AdversaryPlan(seed: seed, role: role, depth: .outer, misdeed: misdeed))
            }
        }
    }

    @Test("the same plan does the same", arguments: [5, 6, 7, 8] as [UInt64])
    func determinism(seed: UInt64) throws {
        let context = AdversaryContext(
            network: Wire.network, identity: Wire.identity(9), victim: Wire.identity(2).publicKey)
        let plan = AdversaryPlan(seed: seed, role: .client)
        func output() -> [UInt8] {
            let adversary = AdversarialPeer(plan, in: context)
            var bytes: [UInt8] = []
            while let piece = adversary.nextOutput() { bytes += Array(buffer: piece) }
            return bytes
        }
        #expect(output() == output())
    }

    @Test("misdeeds inside a tunnel, which the outer session survives", arguments: Misdeed.allCases)
    func everyInnerMisdeed(misdeed: Misdeed) throws {
        for role in AdversaryPlan.Role.allCases {
            for depth in [AdversaryPlan.Depth.callingTunnel, .answeringTunnel] {
                try Self.meet(AdversaryPlan(seed: 2000, role: role, depth: depth, misdeed: misdeed))
            }
        }
    }

    private static func meet(_ plan: AdversaryPlan) throws {
        let (own, other) = (Wire.identity(2), Wire.identity(9))
        let adversary = AdversarialPeer(
            plan,
            in: AdversaryContext(network: Wire.network, identity: other, victim: own.publicKey))
        let outer = Victim(try session(dials: plan.role == .server, own, other), seed: plan.seed)
        guard plan.depth != .outer else {
            outer.meet(adversary)
            return check(outer, outer, adversary)
        }
        let isClient = plan.depth == .answeringTunnel
        let inner = Victim(try session(dials: isClient, own, other, framing: .tunnelled), seed: plan.seed + 1)
        outer.opensTunnel = isClient
        outer.makeInner = { inner }
        outer.meet(adversary)
        check(inner, outer, adversary)
        #expect(outer.error == nil && outer.session.isOpen, "\(adversary)")
    }

    private static func session(
        dials: Bool, _ own: Identity, _ other: Identity, framing: Framing = .direct
    ) throws -> SecureSession {
        guard dials else {
            return SecureSession(
                answeringAs: own, network: Wire.network, manifest: Victim.manifest, framing: framing)
        }
        return try SecureSession(
            dialling: other.publicKey, as: own, network: Wire.network, manifest: Victim.manifest,
            framing: framing)
    }

    private static func check(_ victim: Victim, _ outer: Victim, _ adversary: AdversarialPeer) {
        let session = victim.session
        #expect(adversary.complaints.isEmpty, "\(adversary)")
        #expect(adversary.isDone || !adversary.reads, "\(adversary)")
        #expect(outer.isQuiet, "\(adversary)")
        #expect(outer.greatestOutboundByteCount < 1 << 20, "\(adversary)")
        #expect(session.inboundByteCount <= 4096, "\(adversary)")
        #expect(session.muxrpc.openRequestCount <= 2 * Limits.default.openRequestCount, "\(adversary)")
        switch adversary.plan.misdeed.consequence {
        case .failure:
            #expect(victim.error.map { isDue($0, for: adversary.plan.misdeed) } == true, "\(adversary)")
            #expect(session.isFinished && !session.isOpen && session.outboundByteCount == 0, "\(adversary)")
        case .survival:
            #expect(victim.error == nil && session.isOpen && adversary.probeIsAnswered, "\(adversary)")
        case .unspecified:
            #expect(victim.error == nil, "\(adversary)")
        }
    }

    /// Whether an error is the one that a misdeed has to bring about.
    private static func isDue(_ error: SecureSessionError, for misdeed: Misdeed) -> Bool {
        switch (misdeed, error) {
        case (.handshake(.earlyEnd), .refused): true
        case (.handshake(.weakKey), .handshake(.weakKey)): true
        case (.handshake(.otherNetwork), .handshake(.wrongNetwork)): true
        case (.handshake(.reflection), .handshake(.forged)): true
        case (.handshake(.replayedHello), .handshake(.forged)): true
        case (.handshake(.garbage), .handshake(let error)), (.handshake(.flippedBit), .handshake(let error)):
            error == .wrongNetwork || error == .forged
        case (.box(.overlength), .boxStream(.overlength)): true
        case (.box(.emptyBody), .boxStream(.emptyBody)): true
        case (.box(.bytesAfterGoodbye), .boxStream(.afterGoodbye)): true
        case (.box(.cutFrame), .boxStream(.truncated)), (.box(.noGoodbye), .boxStream(.truncated)): true
        case (.box(.forgedFrame), .boxStream(.forged)), (.box(.flippedBit), .boxStream(.forged)): true
        case (.box(.replayedFrame), .boxStream(.forged)), (.box(.swappedFrames), .boxStream(.forged)): true
        default: false
        }
    }
}
