internal import Account
package import Connection
internal import MuxRPC
package import NIOCore
package import SecureSession
package import TypedSodium

/// What the channel does for a link.
package enum LinkOutput: Sendable {
    /// What a peer's connection would ask for as well: messages to other connections, and events.
    case portal(PortalOutput)
    /// The other machine has proved which one it is, and what the link is for.
    case introduced(FixedBytes<16>, LinkUse)
    /// Messages can be sent from now on.
    case controlStands
    /// Something came from the other machine; at most ten times a second.
    case heard
    /// A sealed message has come.
    case message([UInt8])
}

/// One link between two machines of a portal, at either end: for sealed messages or for tunnels.
///
/// As with ``PortalConnection``, bytes and time go in, bytes and what is to be done come out. Nothing of a client's
/// connection is served here, and nothing of a link there.
///
/// ### Invariants
/// - The other machine is always read.
/// - There are tunnels only while the link is open; when it ends in whatever way each of them ends in an error.
package final class LinkConnection: RelayReceiver {
    /// How long the other machine may be silent, or take nothing of what waits for it.
    package static let silenceTime = LinkSession.silenceTime
    /// What the other machine may leave unread of answers and messages, in bytes; it is broken, where it leaves more.
    private static let unreadByteLimit = 8 << 20
    /// In what steps that is charged, in bytes.
    private static let stepByteCount = 64 << 10
    private static let closingTime = TimeAmount.seconds(2)
    private static let heardTime = TimeAmount.milliseconds(100)

    private let portal: Portal
    private let mailbox: any RelayMailbox
    private let loop: ObjectIdentifier?
    private let link: LinkSession
    private let account: Account
    private var held = RunningCharge()
    private var tunnels: LinkTunnels?
    private var control: ControlStream?
    private var outputs = CircularBuffer<LinkOutput>(initialCapacity: 1)
    private var toldHeardAt: NIODeadline?
    private var hasInputEnded = false

    private init(
        _ link: LinkSession, portal: Portal, mailbox: any RelayMailbox, on loop: ObjectIdentifier?
    ) {
        (self.link, self.portal, self.mailbox, self.loop) = (link, portal, mailbox, loop)
        account = portal.accounts.links.open()
    }

    /// A link that was accepted; `mailbox` is what will reach it.
    package convenience init(
        accepting terms: LinkTerms, portal: Portal, mailbox: any RelayMailbox,
        on loop: ObjectIdentifier? = nil, at now: NIODeadline
    ) {
        self.init(LinkSession(accepting: terms, at: now), portal: portal, mailbox: mailbox, on: loop)
    }

    /// A link to a machine that is dialled.
    ///
    /// - Throws: `SecureSessionError` for a key that cannot be anybody's.
    package convenience init(
        dialling machine: FixedBytes<16>, key: PublicKey, for use: LinkUse, _ terms: LinkTerms,
        portal: Portal, mailbox: any RelayMailbox, on loop: ObjectIdentifier? = nil, at now: NIODeadline
    ) throws(SecureSessionError) {
        self.init(
            try LinkSession(dialling: machine, key: key, for: use, terms, at: now),
            portal: portal, mailbox: mailbox, on: loop)
    }

    /// The link as a connection of the portal, where it carries tunnels and stands.
    package var id: ConnectionID? { tunnels?.peer.id }

    /// Whether both machines know each other, and neither has ended.
    package var isOpen: Bool { link.isOpen }

    /// Whether the other machine gets more tunnels now.
    package func takesTunnels(at now: NIODeadline) -> Bool {
        tunnels != nil && link.isOpen && !link.isQuiet(at: now)
    }

    // MARK: What the channel asks

    /// What is to become of the link.
    package var phase: ConnectionPhase { link.lifecycle.phase }

    /// Whether the socket should be read: always.
    package var wantsInput: Bool { phase != .broken }

    /// Whether a frame has begun to arrive, and not arrived whole.
    package var isWithinFrame: Bool { link.session.isWithinFrame }

    /// A link has its own way of finding that the other side is gone.
    package var isUnanswered: Bool { false }

    /// See ``isUnanswered``.
    package func acknowledged(_ byteCount: UInt64, at now: NIODeadline) {}

    /// When ``timeReached(_:)`` is due next.
    package var deadline: NIODeadline? {
        link.lifecycle.isOpen ? link.deadline.earlier(tunnels?.deadline) : link.deadline
    }

    /// The next thing to do.
    package func nextOutput() -> LinkOutput? {
        if let output = tunnels?.peer.nextOutput() { return .portal(output) }
        return outputs.popFirst()
    }

    // MARK: Bytes in

    /// Bytes arrived.
    package func receive(_ bytes: ByteBuffer, at now: NIODeadline) {
        guard phase != .broken else { return }
        link.receive(bytes, at: now)
        process(at: now)
        noteHeard(at: now)
    }

    /// The other side sends nothing more, or the channel is gone.
    package func inputEnded(at now: NIODeadline) {
        hasInputEnded = true
        process(at: now)
    }

    private func process(at now: NIODeadline) {
        guard phase != .broken else { return }
        tunnels?.peer.now = now
        tunnels?.beginRead(of: link.session.inboundByteCount)
        do {
            while let event = try link.next(at: now) { try handle(event, at: now) }
            tunnels?.flush()
            guard link.session.outboundByteCount <= Self.unreadByteLimit else {
                throw LinkSession.Violation.outOfTurn
            }
            if hasInputEnded { try link.session.inputEnded() }
        } catch {
            breakOff()
        }
        pay()
        assert(tunnels?.invariantsHold ?? true)
    }

    private func handle(_ event: LinkSession.Event, at now: NIODeadline) throws {
        switch event {
        case .introduced: begin(at: now)
        case .packet(let stream, let byteCount):
            guard stream == control?.stream else {
                tunnels?.open(byteCount, on: stream, of: link.session)
                return
            }
            var bytes = ByteBuffer()
            link.session.openPacket(into: &bytes)
            try receive(messages: bytes)
        case .data(let stream, let type, let body):
            guard stream == control?.stream else {
                tunnels?.append(body, type: type, on: stream)
                return
            }
            try receive(messages: body)
        case .request(let request): try answer(request)
        case .streamEnded(let stream, let message):
            guard stream != control?.stream, tunnels?.streamEnded(stream, message: message) ?? true else {
                throw LinkSession.Violation.outOfTurn
            }
        case .over:
            leave()
            link.finish(until: now + Self.closingTime)
        }
    }

    /// Both machines know each other.
    private func begin(at now: NIODeadline) {
        guard let machine = link.machine, let use = link.use else { return }
        switch use {
        case .tunnels:
            let peer = PortalPeer(linkOf: portal, session: link.session, mailbox: mailbox, on: loop, at: now)
            tunnels = LinkTunnels(of: peer, isDialler: link.isDialler)
        case .control:
            guard link.isDialler,
                let stream = try? link.session.muxrpc.open(.duplex, Method.linkControl.name, [])
            else { break }
            control = ControlStream(on: stream)
        }
        outputs.append(.introduced(machine, use))
        if control != nil { outputs.append(.controlStands) }
    }

    private func answer(_ request: Request) throws {
        switch link.use {
        case .tunnels?: tunnels?.answer(request)
        case .control? where Method(name: request.name) == .linkControl && control == nil:
            control = ControlStream(on: request.stream)
            outputs.append(.controlStands)
        case .control?, nil: throw LinkSession.Violation.outOfTurn
        }
    }

    private func receive(messages: ByteBuffer) throws {
        control?.receive(messages)
        while let message = try control?.next() { outputs.append(.message(message)) }
    }

    private func noteHeard(at now: NIODeadline) {
        guard link.isOpen else { return }
        tunnels?.set(takesTunnels: true)
        guard toldHeardAt.map({ now - $0 >= Self.heardTime }) ?? true else { return }
        toldHeardAt = now
        outputs.append(.heard)
    }

    // MARK: Bytes out

    /// The next bytes for the socket: grants, pings and messages first, then one batch of the tunnel whose turn it is.
    package func nextWrite(at now: NIODeadline) -> ByteBuffer? {
        repeat {
            tunnels?.sendGrants()
            if let buffer = link.session.nextOutbound() { return buffer }
        } while link.isOpen && tunnels?.takeTurn(for: link.session, at: now) == true
        pay()
        return nil
    }

    /// Charges packets that have not come whole, and what waits beside the batches of tunnels.
    ///
    /// Where there is no room it is held all the same: it is bounded, and the machines of a portal are one owner's.
    private func pay() {
        let byteCount = link.session.pendingByteCount + link.session.muxrpc.outboxCapacity
        _ = held.pay(for: byteCount / Self.stepByteCount * Self.stepByteCount, at: account)
    }

    /// Sends a sealed message; whether there is a stream for it, and room.
    package func send(_ message: [UInt8]) -> Bool {
        guard link.isOpen, let control else { return false }
        defer { pay() }
        return control.send(message, over: link.session)
    }

    // MARK: Messages and time

    /// A message from a connection of the portal.
    package func deliver(_ message: consuming RelayMessage, at now: NIODeadline) {
        guard link.isOpen, let tunnels else { return }
        tunnels.peer.now = now
        tunnels.take(message)
        assert(tunnels.invariantsHold)
    }

    /// The clock reached ``deadline``.
    package func timeReached(_ now: NIODeadline) {
        tunnels?.peer.now = now
        switch link.lifecycle {
        case .handshake, .open:
            guard !link.timeReached(now) else { return breakOff() }
            if link.isOpen, link.isQuiet(at: now) { tunnels?.set(takesTunnels: false) }
            tunnels?.timeReached()
            if tunnels?.isIdle == true { close(at: now) }
        case .closing(let until) where now >= until: link.finish(until: now + Self.closingTime)
        case .finished(let until?) where now >= until: link.breakOff()
        case .closing, .finished, .broken: break
        }
    }

    // MARK: The end

    /// Ends the link in good order; its tunnels end in an error.
    package func close(at now: NIODeadline) {
        guard link.isOpen else { return breakOff() }
        tunnels?.peer.now = now
        tunnels?.fail(message: ErrorText.otherSideIsGone)
        leave()
        link.close(until: now + Self.closingTime)
    }

    private func breakOff() {
        leave()
        link.breakOff()
    }

    /// Takes the link out of the portal, once.
    private func leave() {
        if !link.lifecycle.isLeaving { tunnels?.leave() }
    }
}
