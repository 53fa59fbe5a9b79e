import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("An endpoint of several instances")
struct InstanceTests {
    /// What the friend may open: at 0 nothing, at 1 one of two services, at 2 nothing that is offered; 3 is another's.
    private static func change(_ policy: inout EndpointPolicy, friend: PublicKey, other: PublicKey) {
        policy.instances = [
            0: .init(services: ["web"], access: .only([friend: .only([]), other: .all])),
            1: .init(services: ["git", "ssh"], access: .only([friend: .only(["ssh", "ftp"])])),
            2: .init(services: ["db"], access: .only([friend: .only(["mail"]), other: .all])),
            3: .init(services: ["db"], access: .only([other: .all])),
        ]
    }

    private func hiddenStage() throws -> HiddenStage {
        let model = try HiddenStage()
        return try HiddenStage {
            Self.change(&$0, friend: model.friend.publicKey, other: model.other.publicKey)
        }
    }

    private func argument(_ stage: HiddenStage, _ entry: HiddenStage.Entry, _ instance: JSONValue?)
        -> JSONValue
    {
        var argument = stage.argument(stage.target(entry))
        argument["instance"] = instance
        return argument
    }

    private func session(
        _ stage: HiddenStage, by entry: HiddenStage.Entry, _ instance: JSONValue?
    ) throws -> (SessionPeer, StreamID) {
        try stage.portal.friend(
            argument(stage, entry, instance), of: stage.endpoint.publicKey, as: stage.identity(entry))
    }

    private func list(_ peer: SessionPeer, _ stage: HiddenStage) throws -> [String]? {
        let call = try peer.call("service.list")
        stage.portal.run()
        guard case .value(let names)? = peer.replies[call] else { return nil }
        return names.array?.compactMap(\.string)
    }

    @Test("lists and opens what the instance has that was called, whatever JavaScript writes for its number")
    func numbers() throws {
        func number(_ text: String) throws -> JSONValue { try JSONValue(parsing: ByteBuffer(string: text)) }
        let called: [(JSONValue?, [String])] = [
            (nil, []), (.null, []), (0, []), (try number("-0"), []), (try number("0.0"), []), (1, ["ssh"]),
            (try number("1.0"), ["ssh"]), (try number("1e0"), ["ssh"]), (try number("10e-1"), ["ssh"]),
        ]
        for (instance, names) in called {
            let stage = try hiddenStage()
            let (friend, _) = try session(stage, by: .friend, instance)
            #expect(try list(friend, stage) == names, "\(String(describing: instance))")
            let other = try friend.open(.duplex, "service.open", [["name": "git"]])
            let own = try friend.open(.duplex, "service.open", [["name": "ssh"]])
            let spelled = try friend.open(.duplex, "service.open", [["name": "1/ssh"]])
            stage.portal.run()
            #expect(friend.ends[other] == "no such service" && friend.ends[spelled] == "no such service")
            #expect(friend.ends[own] == (names.isEmpty ? "no such service" : nil))
            #expect(stage.portal.asked.count == names.count)
        }
    }

    @Test("refuses every other number, and an instance with nothing for a friend, as it does a stranger")
    func misses() throws {
        let numbers: [JSONValue] = try [
            "2", "3", "4", "-1", "1.5", "9007199254740992", "1e300", "\"1\"", "\"\"", "true", "[1]", "{}",
        ].map { try JSONValue(parsing: ByteBuffer(string: $0)) }
        for number in numbers + [0] {
            let stage = try hiddenStage()
            stage.portal.looksAtOnce = false
            // A stranger's proof at an instance that is there, to compare.
            let entry: HiddenStage.Entry = number == 0 ? .removed : .friend
            let (friend, stream) = try session(stage, by: entry, number)
            #expect(stage.portal.works.count == 1, "its proof is looked at like any other")
            #expect(stage.portal.node.accounts.handshakeCount == 1)
            stage.portal.wait(.milliseconds(100))
            stage.portal.look()
            stage.portal.wait(.milliseconds(399))
            #expect(stage.portal.outer.ends[stream] == nil, "\(number)")
            stage.portal.wait(.milliseconds(1))
            #expect(
                stage.portal.outer.ends[stream] == "could not connect to:\(stage.target(entry))", "\(number)")
            #expect(!friend.session.isOpen && stage.portal.node.tunnelCount == 0)
            #expect(stage.portal.wrongProofCount == 1)
        }
    }

    @Test("redeems invites at instance 0 alone")
    func invites() throws {
        for (instance, isOpen) in [(JSONValue.integer(0), true), (1, false), (3, false)] {
            let stage = try hiddenStage()
            let (holder, _) = try session(stage, by: .invite, instance)
            #expect(holder.session.isOpen == isOpen)
        }
    }

    @Test("ends the session of a friend who loses what it had at that instance, and no other of theirs")
    func changes() throws {
        let stage = try hiddenStage()
        let (first, _) = try session(stage, by: .friend, 0)
        let (second, _) = try session(stage, by: .friend, 1)
        let key = stage.friend.publicKey
        #expect(
            stage.portal.nodeEvents == [.accepted(key, instance: 0), .accepted(key, instance: 1)])
        var policy = EndpointPolicy(services: ["web"], access: .only([key: .all]))
        policy.instances[1] = .init(services: ["ssh"], access: .only([:]))
        stage.portal.node.update(policy: policy)
        stage.portal.run()
        #expect(second.hasEnded && !first.hasEnded)
        #expect(stage.portal.nodeEvents.last == .dismissed(key, instance: 1))
        #expect(try list(first, stage) == ["web"])
    }

    @Test("has one account for a friend, at whichever instance")
    func account() throws {
        let stage = try hiddenStage()
        for number in 0..<EndpointAccounts.friendSessionLimit {
            let (friend, _) = try session(stage, by: .friend, .integer(Int64(number % 2)))
            #expect(friend.session.isOpen)
            // Two new ones a second.
            stage.portal.wait(.milliseconds(500))
        }
        #expect(stage.portal.node.accounts.sessionCount == EndpointAccounts.friendSessionLimit)
        let (last, _) = try session(stage, by: .friend, 1)
        #expect(last.session.isOpen, "the longest idle one of both instances has given way")
        #expect(stage.portal.nodeEvents.filter { $0 == .gaveWay(stage.friend.publicKey) }.count == 1)
    }

    @Test("that is open answers nobody sooner whose instance is none, and names it in the log")
    func open() throws {
        let (identity, friend) = (try Identity.random(), try Identity.random())
        var policy = EndpointPolicy(services: ["web"], access: .anyone)
        policy.instances[1] = .init(services: ["ssh"], access: .only([friend.publicKey: .all]))
        let portal = try HandmadePortal(node: identity, policy: policy)
        func call(_ instance: JSONValue, as caller: Identity?) throws -> (SessionPeer, StreamID) {
            try portal.friend(
                ["target": .string(identity.publicKey.id), "instance": instance], of: identity.publicKey,
                as: caller)
        }
        let stranger = try Identity.random()
        #expect(try call(0, as: stranger).0.session.isOpen)
        #expect(try call(1, as: friend).0.session.isOpen)
        for (instance, number) in [(JSONValue.integer(1), 1 as Int?), (2, 2), ("1", nil)] {
            portal.looksAtOnce = false
            let (peer, stream) = try call(instance, as: stranger)
            #expect(portal.outer.ends[stream] == nil && portal.works.count == 1)
            portal.look()
            #expect(!peer.session.isOpen)
            #expect(portal.outer.ends[stream] == "could not connect to:\(identity.publicKey.id)")
            #expect(portal.nodeEvents.last == .refused(stranger.publicKey, instance: number))
        }
    }

    @Test("is there at the portals that it names, and nowhere else")
    func portals() throws {
        let (identity, friend) = (try Identity.random(), try Identity.random())
        var policy = EndpointPolicy(services: ["web"], access: .anyone)
        let elsewhere = try Identity.random().publicKey
        policy.instances[1] = .init(services: ["ssh"], access: .anyone, portals: [elsewhere])
        let portal = try HandmadePortal(node: identity, policy: policy)
        let argument: JSONValue = ["target": .string(identity.publicKey.id), "instance": 1]
        #expect(try !portal.friend(argument, of: identity.publicKey, as: friend).0.session.isOpen)
        policy.instances[1]?.portals = [elsewhere, portal.identity.publicKey]
        portal.node.update(policy: policy)
        #expect(try portal.friend(argument, of: identity.publicKey, as: friend).0.session.isOpen)
    }
}
