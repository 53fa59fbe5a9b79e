import Connection
import MuxRPC
import PortalCore
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A portal's policy")
struct PortalPolicyTests {
    private let member: PublicKey
    private let invite: PublicKey
    private let stranger: PublicKey
    private let denied: PublicKey

    init() throws {
        var random = SeededRandom(seed: 8)
        member = PublicKey(try FixedBytes(random.bytes(32).span))
        invite = PublicKey(try FixedBytes(random.bytes(32).span))
        stranger = PublicKey(try FixedBytes(random.bytes(32).span))
        denied = PublicKey(try FixedBytes(random.bytes(32).span))
    }

    private func policy(announcers: PortalPolicy.Who, callers: PortalPolicy.Who) -> PortalPolicy {
        PortalPolicy(
            announcers: announcers, callers: callers, members: [member, denied], denied: [denied],
            invites: [invite, member, denied])
    }

    @Test("is open to everyone unless told otherwise")
    func open() {
        let policy = PortalPolicy()
        #expect(policy.standing(of: stranger) == .stranger)
        #expect(policy.admits(stranger) && policy.letsAnnounce(stranger) && policy.letsCall(stranger))
    }

    @Test("puts denial first, then membership, then invites")
    func standing() {
        let policy = policy(announcers: .everyone, callers: .everyone)
        let standings = [denied, member, invite, stranger].map(policy.standing)
        #expect(standings == [.denied, .member, .invited, .stranger])
    }

    @Test(
        "admits strangers to what is open to them, and not at all where nothing is",
        arguments: [PortalPolicy.Who.everyone, .members], [PortalPolicy.Who.everyone, .members])
    func doors(announcers: PortalPolicy.Who, callers: PortalPolicy.Who) {
        let policy = policy(announcers: announcers, callers: callers)
        #expect(policy.letsAnnounce(stranger) == (announcers == .everyone))
        #expect(policy.letsCall(stranger) == (callers == .everyone))
        #expect(policy.admits(stranger) == (announcers == .everyone || callers == .everyone))
        #expect(policy.admits(member) && policy.letsAnnounce(member) && policy.letsCall(member))
        #expect(policy.admits(invite) && !policy.letsAnnounce(invite) && !policy.letsCall(invite))
        #expect(!policy.admits(denied) && !policy.letsAnnounce(denied) && !policy.letsCall(denied))
    }

    @Test("lets an invite be used and nothing else, and nobody else use it")
    func calls() {
        let policy = policy(announcers: .everyone, callers: .everyone)
        for method in [Method.whoAmI, .ping, .metadata, .isRoom, .gossipPing] {
            #expect([member, invite, stranger].allSatisfy { policy.allows(method, to: $0) })
            #expect(!policy.allows(method, to: denied))
        }
        for method in [
            Method.announce, .leave, .connect, .connectInRoom, .endpoints, .attendants, .members,
        ] {
            #expect(policy.allows(method, to: member) && policy.allows(method, to: stranger))
            #expect(!policy.allows(method, to: invite) && !policy.allows(method, to: denied))
        }
        #expect(policy.allows(.useInvite, to: invite) && !policy.allows(.useInvite, to: member))
        #expect(!policy.allows(.useInvite, to: stranger) && !policy.allows(.useInvite, to: denied))
        #expect(!policy.allows(.openService, to: member), "that is an endpoint's")
    }
}
