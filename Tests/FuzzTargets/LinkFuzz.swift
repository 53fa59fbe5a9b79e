import Connection
internal import Multiserver
internal import MuxRPC
internal import NIOCore
import PortalCore
internal import SecretHandshake
internal import Synchronization
internal import Transport
internal import TypedSodium

/// The links of a machine, of which the fuzzer speaks the other side, after real handshakes and mostly a real hello.
///
/// Two links are accepted; an endpoint is announced, which a peer of the fuzzer's plays as well.
enum LinkFuzz {
    private static let machines = (0..<3).map { number in
        var name = FixedBytes<16>()
        name.storage[0] = UInt8(number)
        return name
    }
    private static let identities = [FuzzKeys.portal, FuzzKeys.friend, FuzzKeys.stranger]

    private static let names = machines.map {
        String(decoding: TextEncoding.base64URL.encode($0.array.span), as: UTF8.self)
    }

    private static let calls = [
        #"{"name":["cluster","hello"],"args":[{"machine":"MACHINE","use":"tunnels","features":[]}],"type":"async"}"#,
        #"{"name":["cluster","hello"],"args":[{"machine":"MACHINE","use":"control"}],"type":"async"}"#,
        #"{"name":["cluster","ping"],"args":[],"type":"async"}"#,
        #"{"name":["cluster","flow"],"args":[],"type":"duplex"}"#,
        #"{"name":["cluster","control"],"args":[],"type":"duplex"}"#,
        #"{"name":["cluster","connect"],"args":[{"source":"a","standing":"stranger","caller":"CALLER","by":"TARGET"},{"target":"TARGET","origin":"CALLER","instance":0}],"type":"duplex"}"#,
        #"{"name":["tunnel","announce"],"args":[],"type":"async"}"#,
    ].map {
        $0.replacing("TARGET", with: FuzzKeys.endpoint.publicKey.id)
            .replacing("CALLER", with: FuzzKeys.friend.publicKey.id)
            .replacing("MACHINE", with: names[1])
    }

    private static var terms: LinkTerms {
        LinkTerms(network: FuzzKeys.network, machine: machines[0], identity: identities[0]) { name in
            machines.firstIndex(of: name).map { identities[$0].publicKey }
        }
    }

    static func run(_ input: inout FuzzInput) {
        let settings = PortalSettings(name: "fuzzed") { 1_795_000_000_000 }
        let portal = Portal(identity: FuzzKeys.portal, network: FuzzKeys.network, settings: settings)
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        let endpoint = PortalSeat(portal, as: FuzzKeys.endpoint, from: "192.0.2.1", at: now)
        let links = (0..<2).map { _ in LinkSeat(accepting: portal, terms, as: identities[1], at: now) }
        for seat in [endpoint] + links as [any FuzzSeat] { FuzzSeats.settle([seat], at: now) }
        endpoint.peer.send(packet(flags: 0x02, number: 1, #"{"name":["tunnel","announce"],"args":[]}"#))
        for link in links where input.choice(8) != 0 {
            link.peer.send(packet(flags: 0x02, number: 1, calls[input.choice(2)]))
            link.peer.send(packet(flags: 0x0a, number: 2, calls[3 + input.choice(2)]))
        }
        let seats: [any FuzzSeat] = [endpoint] + links
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
            default: seat.peer.send(input.packet(calls), cutAt: input.choice(3) == 0 ? 9 : 4096)
            }
            for seat in seats { seat.pass(at: now) }
            FuzzSeats.settle(seats, at: now)
        }
        for seat in seats { seat.end(at: now) }
        FuzzSeats.settle(seats, at: now)
        precondition(portal.metrics.queuedByteCount == 0, "every link is gone, and bytes are still held")
        precondition(portal.metrics.tunnelCount == 0, "every link is gone, and tunnels still stand")
    }

    private static func packet(flags: UInt8, number: Int32, _ body: String) -> [UInt8] {
        var bytes = ByteBuffer(integer: flags)
        bytes.writeInteger(UInt32(body.utf8.count))
        bytes.writeInteger(number)
        bytes.writeString(body)
        return Array(bytes.readableBytesView)
    }
}

/// A link of the machine.
private final class LinkSeat: MachineSeat<LinkConnection> {
    init(accepting portal: Portal, _ terms: LinkTerms, as identity: Identity, at now: NIODeadline) {
        let mailbox = FuzzMailbox()
        super.init(
            LinkConnection(accepting: terms, portal: portal, mailbox: mailbox, at: now), mailbox,
            peer: FuzzPeer(dialling: terms.identity.publicKey, as: identity))
    }

    override func perform(_ output: LinkOutput) {
        if case .portal(.post(let message, let mailbox)) = output { mailbox.post(message) }
    }
}
