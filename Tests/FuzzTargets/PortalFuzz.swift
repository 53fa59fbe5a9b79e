import Connection
internal import Multiserver
internal import MuxRPC
internal import NIOCore
import PortalCore
internal import SecretHandshake
internal import Synchronization
internal import Transport
internal import Tunnel
internal import TypedSodium

/// A portal with four connections, of which the fuzzer speaks all, after real handshakes.
enum PortalFuzz {
    private static let calls = [
        #"{"name":["tunnel","announce"],"args":[],"type":"async"}"#,
        #"{"name":["tunnel","announce"],"args":[{"hidden":true,"tokens":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}],"type":"async"}"#,
        #"{"name":["tunnel","leave"],"args":[],"type":"async"}"#,
        #"{"name":["tunnel","endpoints"],"args":[],"type":"source"}"#,
        #"{"name":["room","attendants"],"args":[],"type":"source"}"#,
        #"{"name":["room","metadata"],"args":[],"type":"async"}"#,
        #"{"name":["invite","use"],"args":[{"feed":"TARGET"}],"type":"async"}"#,
        #"{"name":["tunnel","connect"],"args":[{"portal":"PORTAL","target":"TARGET","instance":0}],"type":"duplex"}"#,
        #"{"name":["tunnel","connect"],"args":[{"portal":"PORTAL","target":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.token1","instance":1,"by":"TARGET"}],"type":"duplex"}"#,
        #"{"name":["gossip","ping"],"args":[{"timeout":300000}],"type":"duplex"}"#,
        #"{"name":"manifest","args":[]}"#,
    ].map {
        $0.replacing("TARGET", with: FuzzKeys.endpoint.publicKey.id)
            .replacing("PORTAL", with: FuzzKeys.portal.publicKey.id)
    }

    static func run(_ input: inout FuzzInput) {
        var settings = PortalSettings(name: "fuzzed") { 1_795_000_000_000 }
        settings.redeem = { _, _ in .refused("invite used up") }
        let portal = Portal(identity: FuzzKeys.portal, network: FuzzKeys.network, settings: settings)
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        let seats = [FuzzKeys.endpoint, FuzzKeys.friend, FuzzKeys.stranger, FuzzKeys.endpoint].enumerated()
            .map {
                PortalSeat(portal, as: $0.element, from: "4.127.0.0.\($0.offset)", at: now)
            }
        FuzzSeats.settle(seats, at: now)
        var rounds = 0
        while !input.isEmpty, rounds < 300 {
            rounds += 1
            let seat = seats[input.choice(seats.count)]
            switch input.choice(12) {
            case 0: now = now + .milliseconds(Int64(input.number()))
            case 1: seat.isReading.toggle()
            case 2: seat.peer.sendGoodbye()
            case 3: seat.peer.sendRaw(input.take(input.choice(80)))
            case 4: seat.end(at: now)
            case 5: portal.update(policy(&input))
            default: seat.peer.send(input.packet(calls), cutAt: input.choice(3) == 0 ? 9 : 4096)
            }
            for seat in seats { seat.pass(at: now) }
            FuzzSeats.settle(seats, at: now)
        }
        for seat in seats { seat.end(at: now) }
        FuzzSeats.settle(seats, at: now)
        precondition(
            portal.metrics.queuedByteCount == 0, "every connection is gone, and bytes are still held")
        precondition(portal.metrics.tokenCount == 0, "every connection is gone, and tokens are still kept")
        precondition(portal.metrics.tunnelCount == 0, "every connection is gone, and tunnels still stand")
    }

    private static func policy(_ input: inout FuzzInput) -> PortalPolicy {
        var policy = PortalPolicy()
        if input.choice(2) == 1 { policy.denied = [FuzzKeys.friend.publicKey] }
        return policy
    }
}
