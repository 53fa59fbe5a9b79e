import Blinding
import Connection
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("A hidden endpoint refuses")
struct HiddenRefusalTests {
    private func caller(_ stage: HiddenStage, by entry: HiddenStage.Entry) -> HandmadeCaller {
        HandmadeCaller(
            seed: 7, network: stage.portal.network, server: stage.endpoint.publicKey,
            as: stage.identity(entry) ?? stage.friend, stranger: stage.stranger)
    }

    /// How long after now the tunnel is ended, to the millisecond; and with what.
    private func refusal(_ stage: HiddenStage, on stream: StreamID) -> (after: Int64, message: String?) {
        let start = stage.portal.now
        while stage.portal.outer.ends[stream] == nil, stage.portal.now < start + .seconds(20) {
            stage.portal.wait(.milliseconds(1))
        }
        return ((stage.portal.now - start).nanoseconds / 1_000_000, stage.portal.outer.ends[stream])
    }

    @Test("whatever was not announced, at once and in the same words")
    func notAnnounced() throws {
        let stage = try HiddenStage()
        let portalID = JSONValue.string(stage.portal.identity.publicKey.id)
        let token = stage.target(.friend)
        let base64 = String(token.dropLast(".token1".count))
        let targets = [
            stage.endpoint.publicKey.id, stage.pseudonym.publicKey.id, stage.friend.publicKey.id,
            stage.portal.identity.publicKey.id, stage.unknownToken.target, "", base64, base64 + ".token2",
            ".token1", "AAAA.token1", token + " ", token.lowercased(),
        ]
        var arguments = targets.map(stage.argument)
        arguments += [
            ["target": .string(token), "portal": .string(token)],
            ["portal": portalID], [:], nil, ["target": 1],
        ]
        for argument in arguments {
            let stream = try stage.portal.connect(argument)
            let target = argument["target"]?.string ?? ""
            #expect(stage.portal.outer.ends[stream] == "could not connect to:\(target)")
        }
        #expect(stage.portal.node.tunnelCount == 0 && stage.portal.nodeEvents.isEmpty)
    }

    @Test("who says no hello, after 2 s, whatever they say", arguments: HandmadeCaller.Hello.allCases)
    func hello(_ hello: HandmadeCaller.Hello) throws {
        for entry in HiddenStage.Entry.allCases {
            let stage = try HiddenStage()
            let stream = try stage.portal.connect(stage.argument(stage.target(entry)))
            #expect(try stage.portal.exchange(caller(stage, by: entry).hello(hello), on: stream) == [])
            stage.portal.wait(.milliseconds(500))
            let noise = [UInt8](repeating: 9, count: hello == .cut ? 0 : 200)
            #expect(stage.portal.exchange(hello == .none ? [] : noise, on: stream) == [])
            let refusal = refusal(stage, on: stream)
            #expect(refusal.after == 1500)
            #expect(refusal.message == "could not connect to:\(stage.target(entry))")
            #expect(stage.portal.outer.takeBytes(on: stream) == nil)
            #expect(stage.portal.node.tunnelCount == 0)
        }
    }

    @Test("who gives no proof, after 4 s")
    func silence() throws {
        for entry in HiddenStage.Entry.allCases {
            let stage = try HiddenStage()
            let stream = try stage.portal.connect(stage.argument(stage.target(entry)))
            #expect(try stage.portal.exchange(caller(stage, by: entry).hello(), on: stream).count == 64)
            let refusal = refusal(stage, on: stream)
            #expect(refusal.after == 4000)
            #expect(refusal.message == "could not connect to:\(stage.target(entry))")
        }
    }

    @Test("every bad proof 500 ms after it came", arguments: HandmadeCaller.Proof.allCases)
    func proof(_ proof: HandmadeCaller.Proof) throws {
        for (entry, delay) in zip(HiddenStage.Entry.allCases, [0, 1, 1000, 3499, 3999] as [Int64]) {
            let stage = try HiddenStage()
            let caller = caller(stage, by: entry)
            let stream = try stage.portal.connect(stage.argument(stage.target(entry)))
            let answer = try stage.portal.exchange(caller.hello(), on: stream)
            stage.portal.wait(.milliseconds(delay))
            let bytes = try caller.proof(proof, answering: answer) + [UInt8](repeating: 3, count: 300)
            #expect(stage.portal.exchange(bytes, on: stream) == [])
            #expect(stage.portal.node.tunnelCount == 1)
            let refusal = refusal(stage, on: stream)
            #expect(refusal.after == 500, "\(entry)")
            #expect(refusal.message == "could not connect to:\(stage.target(entry))")
            #expect(stage.portal.outer.takeBytes(on: stream) == nil, "nothing was written inside")
            #expect(stage.portal.node.tunnelCount == 0)
        }
    }

    @Test("good proofs of those who are not the token's, or not allowed any more, in the same way")
    func goodProofs() throws {
        typealias Entry = HiddenStage.Entry
        let calls: [(Entry, by: Entry)] = [
            (.removed, .removed), (.friend, .ghost), (.removed, .ghost), (.friend, .other), (.other, .friend),
            (.invite, .friend), (.friend, .invite), (.friend, .removed),
        ]
        for (caller, entry) in calls {
            let stage = try HiddenStage()
            let stream = try session(stage, by: entry, as: stage.identity(caller) ?? stage.stranger)
            let refusal = refusal(stage, on: stream)
            #expect(refusal.after == 500, "\(caller) by \(entry)")
            #expect(refusal.message == "could not connect to:\(stage.target(entry))")
        }
        // The endpoint is nobody's friend, not even its own.
        let stage = try HiddenStage { $0.instances[0]?.access = .anyone }
        let own = TokenEntry(token: stage.unknownToken, owner: stage.endpoint.publicKey)
        try stage.announce([own])
        let (_, stream) = try stage.portal.friend(
            stage.argument(own.token.target), of: stage.endpoint.publicKey, as: stage.endpoint)
        #expect(refusal(stage, on: stream).after == 500)
    }

    private func session(
        _ stage: HiddenStage, by entry: HiddenStage.Entry, as identity: Identity
    ) throws -> StreamID {
        let (peer, stream) = try stage.session(by: entry, as: identity)
        #expect(!peer.session.isOpen && stage.portal.outer.ends[stream] == nil)
        return stream
    }

    @Test("a friend who is removed between hello and proof, and admits one who was added then")
    func changedMeanwhile() throws {
        for isAdded in [false, true] {
            let stage = try HiddenStage()
            let entry = isAdded ? HiddenStage.Entry.removed : .friend
            let caller = caller(stage, by: entry)
            let stream = try stage.portal.connect(stage.argument(stage.target(entry)))
            let answer = try stage.portal.exchange(caller.hello(), on: stream)
            let now = isAdded ? stage.removed : stage.other
            stage.portal.node.update(
                policy: EndpointPolicy(services: [], access: .only([now.publicKey: .all])))
            let accept = stage.portal.exchange(try caller.proof(answering: answer), on: stream)
            #expect(accept.count == (isAdded ? 80 : 0))
            #expect(refusal(stage, on: stream).after == (isAdded ? 20_000 : 500))
            #expect(stage.portal.node.tunnelCount == (isAdded ? 1 : 0))
        }
    }

    @Test(
        "500 ms after the proof came, or when it was looked at, if that is later",
        arguments: [3, 300, 499, 700, 4000])
    func queued(lookAfter: Int64) throws {
        for entry in HiddenStage.Entry.allCases {
            let stage = try HiddenStage()
            stage.portal.looksAtOnce = false
            let stream = try session(stage, by: entry, as: stage.stranger)
            stage.portal.wait(.milliseconds(lookAfter))
            #expect(stage.portal.outer.ends[stream] == nil)
            stage.portal.look()
            #expect(refusal(stage, on: stream).after == max(0, 500 - lookAfter))
            #expect(stage.portal.outer.ends[stream] == "could not connect to:\(stage.target(entry))")
            #expect(stage.portal.node.accounts.handshakeCount == 0)
        }
    }

    @Test("nobody behind a proof: other tunnels, pings and calls go on while it waits")
    func nobodyWaits() throws {
        let stage = try HiddenStage()
        let (friend, _) = try stage.session(by: .friend)
        stage.portal.looksAtOnce = false
        _ = try session(stage, by: .other, as: stage.stranger)
        let (outer, inner) = (try stage.portal.outer.call("tunnel.ping"), try friend.call("tunnel.ping"))
        let miss = try stage.portal.connect(stage.argument("unknown"))
        stage.portal.run()
        #expect(stage.portal.outer.replies[outer] == .value(7) && friend.replies[inner] == .value(7))
        #expect(stage.portal.outer.ends[miss] == "could not connect to:unknown")
    }

    @Test("with the place taken until then, also when the caller leaves", arguments: [true, false])
    func leaving(isLookedAtFirst: Bool) throws {
        let stage = try HiddenStage()
        stage.portal.looksAtOnce = isLookedAtFirst
        let accounts = stage.portal.node.accounts
        let stream = try session(stage, by: .friend, as: stage.stranger)
        stage.portal.wait(.milliseconds(100))
        stage.portal.outer.session.muxrpc.end(stream)
        stage.portal.run()
        #expect(stage.portal.node.tunnelCount == 0 && accounts.handshakeCount == 1)
        stage.portal.look()
        stage.portal.wait(.milliseconds(399))
        #expect(accounts.handshakeCount == 1)
        stage.portal.wait(.milliseconds(1))
        #expect(accounts.handshakeCount == 0)
    }

    @Test("whom nobody has the time to look at, in other words and at the same time")
    func turnedAway() throws {
        let stage = try HiddenStage()
        stage.portal.looksAtOnce = false
        let (_, stream) = try stage.session(by: .friend)
        for work in stage.portal.works {
            work.turnAway()
            stage.portal.node.proved(work, at: stage.portal.now)
        }
        #expect(refusal(stage, on: stream).after == 500)
        #expect(stage.portal.outer.ends[stream] == ErrorText.busy)
    }

    @Test("nothing twice: a tunnel that the portal ends first, or that goes with the connection")
    func endedMeanwhile() throws {
        let stage = try HiddenStage()
        let stream = try session(stage, by: .friend, as: stage.stranger)
        stage.portal.outer.session.muxrpc.end(stream)
        stage.portal.run()
        #expect(stage.portal.node.tunnelCount == 0 && stage.portal.outer.session.isOpen)
        let last = try session(stage, by: .ghost, as: stage.stranger)
        stage.portal.node.close(at: stage.portal.now)
        stage.portal.run()
        #expect(stage.portal.outer.ends[last]?.isEmpty == true, "as for a handshake that was under way")
        #expect(stage.portal.node.tunnelCount == 0)
    }
}
