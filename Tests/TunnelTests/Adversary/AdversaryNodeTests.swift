import Blinding
import Connection
import Multiserver
import NIOCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// Every misdeed, by a hostile portal, by a hostile friend, and by a hostile endpoint.
@Suite("A node under attack")
struct AdversaryNodeTests {
    private static let seeds: Range<UInt64> = 0..<2

    struct Attack: CustomTestStringConvertible, Sendable {
        let misdeed: Misdeed
        let depth: AdversaryPlan.Depth
        var testDescription: String { "\(misdeed), \(depth.rawValue)" }
    }

    static let attacks = AdversaryPlan.Depth.allCases.flatMap { depth in
        Misdeed.allCases.map { Attack(misdeed: $0, depth: depth) }
    }

    /// What is no breach of the rules of credit.
    private static let legal: Set<StreamMisdeed> = [.creditAfterEOF, .dataAfterEnd, .errorEnd, .neverGrants]

    private func finish(_ wire: HostileWire) {
        let report = "\(wire.adversary)"
        #expect(wire.adversary.complaints.isEmpty, "\(report)")
        #expect(wire.node.node.outboundByteCount <= 5 << 20, "\(report)")
        wire.wait(.seconds(50))
        wire.close()
        let node = wire.node
        #expect(node.node.phase != .running, "\(report)")
        #expect(node.node.tunnelCount == 0 && node.ended[.outer] != nil, "\(report)")
        #expect(Set(node.established.keys).isSubset(of: node.ended.keys), "\(report)")
        #expect(node.ends.values.allSatisfy { $0.close != nil }, "\(report)")
    }

    @Test("as an endpoint answers, or ends, and leaves nothing behind", arguments: attacks)
    func endpoint(_ attack: Attack) throws {
        for seed in Self.seeds {
            let plan = AdversaryPlan(
                seed: seed, role: .server, depth: attack.depth, misdeed: attack.misdeed)
            let wire = try HostileWire(plan, policy: EndpointPolicy(services: ["ssh"], access: .anyone))
            wire.node.prepare = { end in
                end.drains = false
                end.send([UInt8](repeating: 3, count: 300_000), end: true)
            }
            wire.node.whenEstablished = { [node = wire.node] in if $0 == .outer { node.node.announce() } }
            wire.run()
            if attack.misdeed.consequence == .survival, attack.depth != .answeringTunnel {
                #expect(wire.adversary.probeIsAnswered, "\(wire.adversary)")
            }
            if attack.depth == .callingTunnel, case .stream(let deed) = attack.misdeed {
                let isBreach = wire.adversary.breachAnswer?.contains(#""credit""#) ?? false
                #expect(isBreach != Self.legal.contains(deed), "\(wire.adversary)")
            }
            finish(wire)
        }
    }

    @Test("as a hidden endpoint holds back every refusal, and leaves nothing behind", arguments: attacks)
    func hiddenEndpoint(_ attack: Attack) throws {
        for seed in Self.seeds {
            let plan = AdversaryPlan(
                seed: seed, role: .server, depth: attack.depth, misdeed: attack.misdeed)
            let token = PairToken(FixedBytes([UInt8](repeating: 7, count: 32).span, at: 0))
            let policy = EndpointPolicy(services: ["ssh"], access: .anyone)
            let wire = try HostileWire(plan, policy: policy, token: token)
            // At once, because the adversary calls as soon as it may.
            _ = try wire.node.node.announce(hidden: [TokenEntry(token: token, owner: wire.portal)])
            wire.run()
            if attack.depth == .callingTunnel, case .handshake(let deed) = attack.misdeed {
                #expect(deed == .earlyEnd || wire.node.node.tunnelCount == 1, "\(wire.adversary)")
                wire.wait(.milliseconds(10_500))
                #expect(wire.node.node.tunnelCount == 0, "\(wire.adversary)")
            } else if attack.misdeed.consequence == .survival, attack.depth != .answeringTunnel {
                #expect(wire.adversary.probeIsAnswered, "\(wire.adversary)")
            }
            finish(wire)
        }
    }

    @Test("as a client answers, or ends, and leaves nothing behind", arguments: attacks)
    func client(_ attack: Attack) throws {
        for seed in Self.seeds {
            let plan = AdversaryPlan(
                seed: seed, role: .server, depth: attack.depth, misdeed: attack.misdeed)
            let wire = try HostileWire(plan, policy: nil)
            let target = wire.portal
            wire.node.whenEstablished = { [node = wire.node] session in
                guard session != .outer else { return _ = try node.openTunnel(to: target) }
                _ = try node.call("whoami", on: session)
                _ = try node.call("service.list", on: session)
                try node.open(.service("ssh"), on: session)
                    .send([UInt8](repeating: 3, count: 300_000), end: true)
                try node.open(.echo, on: session).send([UInt8](repeating: 4, count: 300_000), end: true)
            }
            wire.run()
            if attack.misdeed.consequence == .survival, attack.depth != .callingTunnel {
                #expect(wire.adversary.probeIsAnswered, "\(wire.adversary)")
            }
            finish(wire)
        }
    }
}
