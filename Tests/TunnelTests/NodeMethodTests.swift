import Connection
import Multiserver
import MuxRPC
import Testing
import TypedSodium

@testable import Tunnel

/// What a node offers to whom, and what comes of calls; without any session.
@Suite("A node's methods")
struct NodeMethodTests {
    private let own: PublicKey
    private let peer: PublicKey

    init() throws { (own, peer) = (try Identity.random().publicKey, try Identity.random().publicKey) }

    private func guest(_ standing: EndpointPolicy.Standing, grantsCircle: Bool = false) -> MethodCaller {
        let policy = EndpointPolicy(
            services: ["ssh", "web"], access: .only([peer: .only(["ssh"])]), grantsCircle: grantsCircle)
        let current = CurrentPolicy(policy, own: own, portal: own)
        return .guest(peer, standing, CalledInstance(0, of: current))
    }

    private func call(_ name: [String], _ arguments: [JSONValue] = [], by caller: MethodCaller) throws
        -> MethodAnswer
    {
        let method = try #require(NodeMethods.named(name))
        let isOffered = method.isOffered(to: caller)
        #expect(isOffered)
        return method.answer(MethodCall(arguments: arguments, caller: caller, peer: peer, wallClock: { 7 }))
    }

    @Test("are in the manifest of those who may call them, in the order of names, and in no other")
    func manifests() {
        func tree(_ caller: MethodCaller) -> JSONValue { NodeMethods.manifest(for: caller).tree }
        let common: Manifest = ["manifest": .async, "tunnel.ping": .async, "whoami": .async]
        #expect(tree(.nobody) == common.tree)
        let dialling: Manifest = [
            "manifest": .async, "portal.move": .async, "tunnel.ping": .async, "whoami": .async,
        ]
        #expect(tree(.portal(announces: false)) == dialling.tree)
        let announcing: Manifest = [
            "manifest": .async, "portal.move": .async, "tunnel.connect": .duplex, "tunnel.ping": .async,
            "whoami": .async,
        ]
        #expect(tree(.portal(announces: true)) == announcing.tree)
        let calling: Manifest = [
            "circle.removed": .async, "manifest": .async, "tunnel.ping": .async, "whoami": .async,
        ]
        #expect(tree(.endpoint) == calling.tree)
        let friend: Manifest = [
            "echo": .duplex, "manifest": .async, "service.list": .async, "service.open": .duplex,
            "tunnel.ping": .async, "whoami": .async,
        ]
        #expect(tree(guest(.friend(.all))) == friend.tree)
        let circle: Manifest = [
            "circle.grant": .async, "echo": .duplex, "manifest": .async, "service.list": .async,
            "service.open": .duplex, "tunnel.ping": .async, "whoami": .async,
        ]
        #expect(tree(guest(.friend(.all), grantsCircle: true)) == circle.tree)
        let invite: Manifest = [
            "invite.use": .async, "manifest": .async, "tunnel.ping": .async, "whoami": .async,
        ]
        #expect(tree(guest(.invite)) == invite.tree)
    }

    @Test("that are the portal's alone are none of a node's")
    func others() {
        #expect(NodeMethods.named(Method.announce.name) == nil && NodeMethods.named(["whoami", ""]) == nil)
        let methods = Set(NodeMethods.all.map { $0.method })
        #expect(methods.count == NodeMethods.all.count)
    }

    @Test("answer a friend")
    func answers() throws {
        let friend = guest(.friend(.only(["ssh"])))
        guard case .value(let id) = try call(["whoami"], by: friend),
            case .value(let time) = try call(["tunnel", "ping"], by: friend),
            case .value(let services) = try call(["service", "list"], by: friend),
            case .service(let name, let who) = try call(["service", "open"], [["name": "ssh"]], by: friend),
            case .unknownService("web", peer, instance: 0) = try call(
                ["service", "open"], [["name": "web"]], by: friend)
        else {
            Issue.record("another answer")
            return
        }
        #expect(id == ["id": .string(peer.id)] && time == 7 && services == ["ssh"])
        #expect(name.name == "ssh" && name.instance == 0 && who == peer)
    }

    @Test("ask the owner, or say what is wrong with the question")
    func questions() throws {
        guard
            case .question(.circleGrant) = try call(
                ["circle", "grant"], by: guest(.friend(.all), grantsCircle: true)),
            case .failure(ErrorText.invalidInviteUse) = try call(
                ["invite", "use"], [[:]], by: guest(.invite))
        else {
            Issue.record("another answer")
            return
        }
        #expect(UseInvite.asksOwner && UseInvite.endsSession && GrantCircle.asksOwner)
        let asking = NodeMethods.all.filter { $0.asksOwner }
        #expect(asking.count == 2)
    }
}
