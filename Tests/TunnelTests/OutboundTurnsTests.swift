import Multiserver
import MuxRPC
import NIOCore
import TestSupport
import Testing
import TypedSodium

@testable import Tunnel

@Suite("Whose turn it is in a node's connection")
struct OutboundTurnsTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func key(_ ordinal: UInt64) -> StreamKey {
        StreamKey(session: .outer, stream: StreamID(sentNumber: Int32(ordinal)), ordinal: ordinal)
    }

    @Test("is a stream's that has little, and the others' in turns behind it")
    func order() {
        var turns = OutboundTurns()
        for ordinal in 1...3 as ClosedRange<UInt64> { turns.wait(key(ordinal), isSparse: false) }
        turns.wait(key(4), isSparse: true)
        turns.wait(key(4), isSparse: false)
        var order: [UInt64] = []
        for _ in 0..<7 {
            guard let (stream, byteCount) = turns.next(at: Self.start) else { break }
            order.append(stream.ordinal)
            turns.sent(byteCount)
            if stream.ordinal < 4 { turns.wait(stream, isSparse: false) }
        }
        #expect(order == [4, 1, 2, 3, 1, 2, 3])
    }

    @Test("comes to those that have much, however many have little")
    func bound() {
        var turns = OutboundTurns()
        turns.wait(key(1), isSparse: false)
        var (largeCount, smallByteCount) = (0, 0)
        for ordinal in 2..<1000 as Range<UInt64> {
            turns.wait(key(ordinal), isSparse: true)
            guard let (stream, byteCount) = turns.next(at: Self.start) else { break }
            if stream.ordinal == 1 {
                largeCount += 1
                turns.wait(stream, isSparse: false)
            } else {
                smallByteCount += min(byteCount, 4000)
                turns.sent(min(byteCount, 4000))
            }
        }
        #expect(smallByteCount <= (largeCount + 1) * (OutboundTurns.turnByteCount + 4000))
    }

    @Test("is longer for a stream that is alone, as long as its line is fast")
    func alone() {
        var (turns, now) = (OutboundTurns(), Self.start)
        #expect(turns.next(at: now) == nil)
        func next(after time: TimeAmount) -> Int? {
            now = now + time
            turns.wait(key(1), isSparse: false)
            return turns.next(at: now)?.byteCount
        }
        let fast = (0..<6).compactMap { _ in next(after: .milliseconds(1)) }
        #expect(fast == [16, 32, 64, 128, 256, 256].map { $0 << 10 })
        #expect(next(after: .milliseconds(7)) == OutboundTurns.turnByteCount)
        #expect(next(after: .milliseconds(7)) == OutboundTurns.turnByteCount)
        #expect(next(after: .milliseconds(1)) == 2 * OutboundTurns.turnByteCount)
        turns.wait(key(1), isSparse: false)
        turns.wait(key(2), isSparse: false)
        #expect(turns.next(at: now)?.byteCount == OutboundTurns.turnByteCount, "others wait")
    }

    @Test("lets a few bytes overtake what another stream has given before, in other tunnels too")
    func overtaking() throws {
        let identity = try Identity.random()
        let portal = try HandmadePortal(
            node: identity, policy: EndpointPolicy(services: ["ssh"], access: .anyone))
        var friends: [(peer: SessionPeer, stream: StreamID)] = []
        for _ in 0..<2 {
            let (friend, _) = try portal.friend(
                ["target": .string(identity.publicKey.id)], of: identity.publicKey)
            friends.append((friend, try friend.open(.duplex, "service.open", [["name": "ssh"]])))
            portal.run()
            portal.node.serviceConnected(try #require(portal.asked.last))
        }
        portal.run()
        portal.isReading = false
        #expect(!portal.node.send(ByteBuffer(repeating: 1, count: 200 << 10), on: portal.asked[0]))
        #expect(portal.node.outboundByteCount < 2 * OutboundTurns.turnByteCount, "the rest is not sealed yet")
        #expect(!portal.node.send(ByteBuffer(repeating: 2, count: 64), on: portal.asked[1]))
        var writes: [Int] = []
        while let bytes = portal.node.nextWrite(at: portal.now) {
            writes.append(bytes.readableBytes)
            portal.outer.receive(bytes)
            if writes.count == 2 { break }
        }
        #expect(writes.last.map { $0 < 1024 } == true, "behind what was sealed, in front of the rest")
        portal.isReading = true
        portal.run()
        #expect(friends[0].peer.bytes[friends[0].stream]?.readableBytes == 200 << 10)
        #expect(friends[1].peer.bytes[friends[1].stream] == ByteBuffer(repeating: 2, count: 64))
    }
}
