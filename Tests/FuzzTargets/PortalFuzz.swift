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
                Seat(portal, as: $0.element, number: $0.offset, at: now)
            }
        settle(seats, at: now)
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
            settle(seats, at: now)
        }
        for seat in seats { seat.end(at: now) }
        settle(seats, at: now)
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

    private static func settle(_ seats: [Seat], at now: NIODeadline) {
        var rounds = 0
        while seats.map({ $0.turn(at: now) }).contains(true) {
            rounds += 1
            precondition(rounds < 10_000, "the portal does not come to rest")
        }
    }
}

/// One connection, and what an event loop would do for it.
private final class Seat {
    private final class Mailbox: RelayMailbox {
        let messages = Mutex<[RelayMessage]>([])
        func post(_ message: RelayMessage) { messages.withLock { $0.append(message) } }
    }

    let peer: FuzzPeer
    var isReading = true
    private let mailbox = Mailbox()
    private let connection: PortalConnection
    private let portal: Portal
    private var unread: [ByteBuffer] = []
    private var hasEnded = false

    init(_ portal: Portal, as identity: Identity, number: Int, at now: NIODeadline) {
        self.portal = portal
        peer = FuzzPeer(dialling: portal.identity.publicKey, as: identity)
        connection = PortalConnection(
            portal: portal, mailbox: mailbox, source: "4.127.0.0.\(number)", at: now)
    }

    func end(at now: NIODeadline) {
        guard !hasEnded else { return }
        hasEnded = true
        connection.inputEnded(at: now)
    }

    /// Lets the time that is due come.
    func pass(at now: NIODeadline) {
        if let deadline = connection.deadline, deadline <= now { connection.timeReached(now) }
    }

    /// Whether anything moved.
    func turn(at now: NIODeadline) -> Bool {
        var hasMoved = perform()
        let messages = mailbox.messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
        for message in messages {
            connection.deliver(message, at: now)
            hasMoved = true
        }
        if let bytes = peer.takeOutput() { unread.append(bytes) }
        while !hasEnded, connection.wantsInput, !unread.isEmpty {
            connection.receive(unread.removeFirst(), at: now)
            hasMoved = true
        }
        while isReading, connection.phase != .broken, let bytes = connection.nextWrite(at: now) {
            peer.receive(bytes)
            hasMoved = true
        }
        return perform() || hasMoved
    }

    private func perform() -> Bool {
        var hasMoved = false
        while let output = connection.nextOutput() {
            hasMoved = true
            switch output {
            case .post(let message, let mailbox): mailbox.post(message)
            case .redeem(let question):
                mailbox.post(.redeemed(question.call, .refused("invite used up")))
            case .work: while portal.work() {}
            case .event: break
            }
        }
        return hasMoved
    }
}
