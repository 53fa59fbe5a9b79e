import Connection
internal import NIOCore
import PortalCore
internal import SecretHandshake
internal import Synchronization
internal import Transport
internal import TypedSodium

/// One connection of a machine, and what an event loop would do for it.
protocol FuzzSeat: AnyObject {
    var peer: FuzzPeer { get }
    var isReading: Bool { get set }
    func end(at now: NIODeadline)
    /// Lets the time that is due come.
    func pass(at now: NIODeadline)
    /// Whether anything moved.
    func turn(at now: NIODeadline) -> Bool
}

enum FuzzSeats {
    /// Has all of them turn until nothing moves.
    static func settle(_ seats: [any FuzzSeat], at now: NIODeadline) {
        var rounds = 0
        while seats.map({ $0.turn(at: now) }).contains(true) {
            rounds += 1
            precondition(rounds < 10_000, "they do not come to rest")
        }
    }
}

/// Where others leave messages for a connection.
final class FuzzMailbox: RelayMailbox {
    let messages = Mutex<[RelayMessage]>([])
    func post(_ message: RelayMessage) { messages.withLock { $0.append(message) } }
}

/// A seat of any machine.
class MachineSeat<Machine: RelayReceiver>: FuzzSeat {
    let peer: FuzzPeer
    var isReading = true
    let mailbox: FuzzMailbox
    private let machine: Machine
    private var unread: [ByteBuffer] = []
    private var hasEnded = false

    init(_ machine: Machine, _ mailbox: FuzzMailbox, peer: FuzzPeer) {
        (self.machine, self.mailbox, self.peer) = (machine, mailbox, peer)
    }

    func perform(_ output: Machine.Output) {}

    func end(at now: NIODeadline) {
        guard !hasEnded else { return }
        hasEnded = true
        machine.inputEnded(at: now)
    }

    func pass(at now: NIODeadline) {
        if let deadline = machine.deadline, deadline <= now { machine.timeReached(now) }
    }

    func turn(at now: NIODeadline) -> Bool {
        var hasMoved = performAll()
        let messages = mailbox.messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
        for message in messages {
            machine.deliver(message, at: now)
            hasMoved = true
        }
        if let bytes = peer.takeOutput() { unread.append(bytes) }
        while !hasEnded, machine.wantsInput, !unread.isEmpty {
            machine.receive(unread.removeFirst(), at: now)
            hasMoved = true
        }
        while isReading, machine.phase != .broken, let bytes = machine.nextWrite(at: now) {
            peer.receive(bytes)
            hasMoved = true
        }
        return performAll() || hasMoved
    }

    private func performAll() -> Bool {
        var hasMoved = false
        while let output = machine.nextOutput() {
            hasMoved = true
            perform(output)
        }
        return hasMoved
    }
}

/// A connection of the portal.
final class PortalSeat: MachineSeat<PortalConnection> {
    private let portal: Portal

    init(_ portal: Portal, as identity: Identity, from source: String, at now: NIODeadline) {
        let mailbox = FuzzMailbox()
        self.portal = portal
        super.init(
            PortalConnection(portal: portal, mailbox: mailbox, source: source, at: now), mailbox,
            peer: FuzzPeer(dialling: portal.identity.publicKey, as: identity))
    }

    override func perform(_ output: PortalOutput) {
        switch output {
        case .post(let message, let mailbox): mailbox.post(message)
        case .redeem(let question): mailbox.post(.redeemed(question.call, .refused("invite used up")))
        case .work: while portal.work() {}
        case .event: break
        }
    }
}
