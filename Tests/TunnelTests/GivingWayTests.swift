import Connection
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// Where an endpoint's memory or sockets are short, who has most gives way, on whichever connection that is.
@Suite("Giving way at an endpoint")
struct GivingWayTests {
    /// An endpoint at two portals: greedy friends come through one, honest ones through the other.
    private final class Stage {
        let endpoint: Identity
        let greedy, honest: [Identity]
        let accounts: EndpointAccounts
        let attacked, quiet: HandmadePortal

        init(
            greedyCount: Int, honestCount: Int, _ change: (inout EndpointAccounts.Limits) -> Void
        ) throws {
            endpoint = try .random()
            greedy = try (0..<greedyCount).map { _ in try .random() }
            honest = try (0..<honestCount).map { _ in try .random() }
            var limits = EndpointAccounts.Limits()
            change(&limits)
            accounts = EndpointAccounts(limits)
            let access = Dictionary(
                uniqueKeysWithValues: (greedy + honest).map { ($0.publicKey, EndpointPolicy.Rights.all) })
            let reception = NodeConnection.Reception.open(
                EndpointPolicy(services: ["ssh"], access: .only(access)))
            attacked = try HandmadePortal(node: endpoint, reception: reception, accounts: accounts)
            quiet = try HandmadePortal(node: endpoint, reception: reception, accounts: accounts)
        }

        func session(of caller: Identity, at portal: HandmadePortal) throws -> SessionPeer {
            try portal.friend(
                ["target": .string(endpoint.publicKey.id)], of: endpoint.publicKey, as: caller
            ).0
        }

        /// A stream to a service, which is connected where the endpoint has let it.
        func open(_ friend: SessionPeer, at portal: HandmadePortal) throws -> (StreamID, StreamKey?) {
            let askedCount = portal.asked.count
            let stream = try friend.open(.duplex, "service.open", [["name": "ssh"]])
            run()
            guard portal.asked.count > askedCount, let key = portal.asked.last else { return (stream, nil) }
            portal.node.serviceConnected(key)
            run()
            return (stream, key)
        }

        /// Fills streams to a service that does not read.
        func fill(_ peer: SessionPeer, _ count: Int) throws {
            for _ in 0..<count {
                let (stream, _) = try open(peer, at: attacked)
                peer.session.send(ByteBuffer(repeating: 5, count: 256 << 10), on: stream)
                run()
            }
        }

        func receivedByteCount(on key: StreamKey, at portal: HandmadePortal) -> Int {
            portal.outputs.reduce(0) { sum, output in
                guard case .service(key, .received(let bytes)) = output else { return sum }
                return sum + bytes.readableBytes
            }
        }

        /// Runs both, until neither has anything for the other.
        func run() {
            for _ in 0..<2 {
                attacked.run()
                quiet.run()
            }
        }

        /// How often somebody gave way, as the log counts it.
        func displacedCount(_ resource: ScarceResource, at portal: HandmadePortal) -> Int {
            portal.nodeEvents.count { event in
                if case .displaced(_, for: resource) = event { true } else { false }
            }
        }
    }

    @Test("forty who fill give way to all who pass a megabyte, at another portal")
    func memory() throws {
        let stage = try Stage(greedyCount: 40, honestCount: 8) { $0.bytes = 16 << 20 }
        let greedy = try stage.greedy.map { try stage.session(of: $0, at: stage.attacked) }
        for peer in greedy { try stage.fill(peer, 4) }
        let honest = try stage.honest.map { try stage.session(of: $0, at: stage.quiet) }
        var streams: [(peer: SessionPeer, stream: StreamID, key: StreamKey, count: Int)] = []
        for peer in honest {
            let (stream, key) = try stage.open(peer, at: stage.quiet)
            streams.append((peer, stream, try #require(key), 0))
        }
        for round in 0..<8 {
            // All have something on the way at once, while those who fill go on filling.
            for (peer, stream, _, _) in streams {
                peer.session.send(ByteBuffer(repeating: 7, count: 128 << 10), on: stream)
                stage.run()
            }
            for peer in greedy.prefix(5) { try stage.fill(peer, 1) }
            for index in streams.indices {
                let key = streams[index].key
                let received = stage.receivedByteCount(on: key, at: stage.quiet) - streams[index].count
                streams[index].count += received
                stage.quiet.node.drained(received, on: key)
                stage.run()
            }
            #expect(stage.accounts.heldByteCount <= 17 << 20, "in round \(round)")
        }
        #expect(streams.allSatisfy { $0.count == 1 << 20 && $0.peer.ends[$0.stream] == nil })
        #expect(stage.displacedCount(.memory, at: stage.attacked) > 0)
        #expect(stage.displacedCount(.memory, at: stage.quiet) == 0)
        for peer in greedy {
            #expect(peer.ends.values.allSatisfy { $0 == ErrorText.heldTooMuch })
        }
        #expect(stage.attacked.ended.isEmpty && stage.quiet.ended.isEmpty)
    }

    @Test("four who take 128 sockets leave each newcomer some, and take none back")
    func sockets() throws {
        let stage = try Stage(greedyCount: 4, honestCount: 6) { $0.descriptors = 128 }
        stage.attacked.keepsPlaces = true
        let greedy = try stage.greedy.map { try stage.session(of: $0, at: stage.attacked) }
        for peer in greedy { for _ in 0..<60 { _ = try stage.open(peer, at: stage.attacked) } }
        let honest = try stage.honest.map { try stage.session(of: $0, at: stage.quiet) }
        for _ in 0..<6 {
            for peer in honest {
                let (stream, key) = try stage.open(peer, at: stage.quiet)
                #expect(key != nil && peer.ends[stream] == nil)
            }
            for peer in greedy { for _ in 0..<10 { _ = try stage.open(peer, at: stage.attacked) } }
        }
        #expect(honest.allSatisfy { $0.ends.isEmpty })
        let count = stage.displacedCount(.sockets, at: stage.attacked)
        #expect(count > 0 && stage.displacedCount(.sockets, at: stage.quiet) == 0)
        let ends = greedy.flatMap(\.ends.values)
        #expect(ends.count { $0 == ErrorText.gaveWay } == count)
        #expect(ends.allSatisfy { $0 == ErrorText.gaveWay || $0 == ErrorText.tooManySockets })
    }

    @Test("the stream goes that was not used for the longest time, and never one's own for another")
    func idlest() throws {
        let stage = try Stage(greedyCount: 1, honestCount: 2) { $0.descriptors = 16 }
        let greedy = try stage.session(of: stage.greedy[0], at: stage.attacked)
        let streams = try (0..<16).map { _ in
            stage.attacked.wait(.milliseconds(10))
            return try stage.open(greedy, at: stage.attacked)
        }
        let open = streams.filter { $0.1 != nil }
        #expect(greedy.ends.values.allSatisfy { $0 == ErrorText.tooManySockets })
        // The first one is used once more.
        stage.attacked.wait(.milliseconds(10))
        greedy.session.send(ByteBuffer(repeating: 1, count: 100), on: open[0].0)
        stage.run()
        let refusedCount = greedy.ends.count
        var opened = 0
        for friend in stage.honest {
            let peer = try stage.session(of: friend, at: stage.quiet)
            for _ in 0..<3 where try stage.open(peer, at: stage.quiet).1 != nil { opened += 1 }
        }
        #expect(opened == 6)
        let gone = open.filter { greedy.ends[$0.0] == ErrorText.gaveWay }.map(\.0)
        #expect(!gone.isEmpty && gone == Array(open.map(\.0)[1...gone.count]))
        #expect(greedy.ends.count == refusedCount + gone.count)
    }

    @Test("of one's own only the largest goes, also while its local end still has what it got")
    func ownLargest() throws {
        let stage = try Stage(greedyCount: 1, honestCount: 0) { $0.bytes = 2 << 20 }
        stage.attacked.keepsPlaces = true
        let peer = try stage.session(of: stage.greedy[0], at: stage.attacked)
        try stage.fill(peer, 8)
        let ends = peer.ends.count
        #expect((1...7).contains(ends), "the room of one is enough for another")
        // What has been told to go is still held, and promised to the next ones.
        #expect(stage.accounts.heldByteCount <= 2 << 20 + 576 << 10)
    }

    @Test("what one leaves is enough for many who come at once")
    func promised() throws {
        let stage = try Stage(greedyCount: 1, honestCount: 1) { $0.bytes = 2 << 20 }
        try stage.fill(try stage.session(of: stage.greedy[0], at: stage.attacked), 8)
        let before = stage.displacedCount(.memory, at: stage.attacked)
        let honest = try stage.session(of: stage.honest[0], at: stage.quiet)
        // More than fit beside the others, and all in one round: nobody has gone before the last one has asked.
        for _ in 0..<100 { _ = try honest.open(.duplex, "service.open", [["name": "ssh"]]) }
        stage.run()
        #expect(honest.ends.isEmpty)
        #expect(stage.displacedCount(.memory, at: stage.attacked) == before + 1)
        #expect(stage.accounts.heldByteCount <= 2 << 20)
    }

    @Test("who brings much that is not whole gives way too, with its session")
    func pending() throws {
        let stage = try Stage(greedyCount: 12, honestCount: 12) { $0.bytes = 4 << 20 }
        for friend in stage.greedy {
            for _ in 0..<4 {
                let (peer, tunnel) = try stage.attacked.friend(
                    ["target": .string(stage.endpoint.publicKey.id)], of: stage.endpoint.publicKey, as: friend
                )
                guard let stream = try? peer.open(.duplex, "echo") else { continue }
                stage.run()
                try? peer.session.muxrpc.send(ByteBuffer(repeating: 1, count: 64 << 10), on: stream)
                guard let frames = peer.session.nextBatch()?.bodies else { continue }
                for frame in frames.dropLast() { stage.attacked.outer.session.send(frame, on: tunnel) }
                stage.run()
            }
        }
        for friend in stage.honest {
            let peer = try stage.session(of: friend, at: stage.quiet)
            let (stream, key) = try stage.open(peer, at: stage.quiet)
            peer.session.send(ByteBuffer(repeating: 7, count: 128 << 10), on: stream)
            stage.run()
            let received = try #require(key)
            #expect(stage.receivedByteCount(on: received, at: stage.quiet) > 0 && peer.ends.isEmpty)
        }
        #expect(stage.quiet.ended.isEmpty)
        #expect(stage.accounts.heldByteCount <= 5 << 20)
    }
}
