internal import Connection
package import NIOCore
package import PortalCore
internal import SecretHandshake
internal import SecureSession
internal import Testing
package import TypedSodium

/// One end of a link between two machines, and what it has told its owner.
package final class LinkEnd {
    package let connection: LinkConnection
    let mailbox: QueueMailbox
    package private(set) var introduced: [FixedBytes<16>] = []
    package private(set) var messages: [[UInt8]] = []
    package private(set) var heardCount = 0
    package private(set) var controlStands = false
    package private(set) var events: [PortalEvent] = []
    /// Whether its socket is read.
    package var isReading = true
    /// The longest piece in which bytes reach it.
    package var readByteCount = Int.max
    /// What was sent to it and not read.
    fileprivate var unread = ByteBuffer()
    fileprivate var hasEnded = false

    fileprivate init(_ connection: LinkConnection, _ mailbox: QueueMailbox) {
        (self.connection, self.mailbox) = (connection, mailbox)
    }

    fileprivate func perform() -> Bool {
        var hasMoved = false
        while let output = connection.nextOutput() {
            hasMoved = true
            switch output {
            case .portal(.post(let message, let mailbox)): mailbox.post(message)
            case .portal(.event(let event)): events.append(event)
            case .portal: Issue.record("a link asks for nothing else")
            case .introduced(let machine, _): introduced.append(machine)
            case .controlStands: controlStands = true
            case .heard: heardCount += 1
            case .message(let message): messages.append(message)
            }
        }
        return hasMoved
    }
}

/// The machines of one portal, and links between them; time stands still until it is moved.
package final class LinkWorld {
    /// What one socket's buffers hold, in bytes.
    private static let socketByteCount = 256 << 10

    package let worlds: [PortalWorld]
    package private(set) var now: NIODeadline
    private let identities: [Identity]
    private let network = NetworkIdentifier(FixedBytes<32>())
    private var pairs: [(dialler: LinkEnd, acceptor: LinkEnd)] = []

    /// Machines whose settings are changed by their number.
    package init(
        count: Int = 2, _ change: (Int, inout PortalSettings) -> Void = { _, _ in }
    ) throws {
        let identity = try Identity.random()
        worlds = try (0..<count).map { number in try PortalWorld(as: identity) { change(number, &$0) } }
        identities = try (0..<count).map { _ in try .random() }
        now = worlds[0].now
    }

    /// The name of a machine.
    package static func name(_ number: Int) -> FixedBytes<16> {
        var name = FixedBytes<16>()
        name.storage[0] = UInt8(number)
        return name
    }

    /// The terms of a machine.
    package func terms(_ number: Int) -> LinkTerms {
        let keys = identities.map(\.publicKey)
        return LinkTerms(network: network, machine: Self.name(number), identity: identities[number]) { name in
            let number = Int(name.storage[0])
            return number < keys.count && name == Self.name(number) ? keys[number] : nil
        }
    }

    /// A link from one machine to another.
    package func link(
        from near: Int, to far: Int, for use: LinkUse = .tunnels
    ) throws -> (dialler: LinkEnd, acceptor: LinkEnd) {
        let (first, second) = (QueueMailbox(), QueueMailbox())
        let dialler = LinkEnd(
            try LinkConnection(
                dialling: Self.name(far), key: identities[far].publicKey, for: use, terms(near),
                portal: worlds[near].portal, mailbox: first, at: now), first)
        let pair = (dialler: dialler, acceptor: accept(second, at: far))
        pairs.append(pair)
        run()
        return pair
    }

    private func accept(_ mailbox: QueueMailbox, at number: Int) -> LinkEnd {
        LinkEnd(
            LinkConnection(
                accepting: terms(number), portal: worlds[number].portal, mailbox: mailbox, at: now), mailbox)
    }

    /// A link that a peer of the tests has dialled.
    package func accepted(_ peer: any WirePeer, at number: Int) -> LinkEnd {
        let end = accept(QueueMailbox(), at: number)
        speakers.append((peer, end))
        run()
        return end
    }

    private var speakers: [(peer: any WirePeer, end: LinkEnd)] = []

    /// Breaks a link, as a cable would be cut: both sides see their sockets end.
    package func cut(_ pair: (dialler: LinkEnd, acceptor: LinkEnd)) {
        for end in [pair.dialler, pair.acceptor] { end.connection.inputEnded(at: now) }
        run()
        pairs.removeAll { $0.dialler === pair.dialler }
    }

    /// Lets everything happen that can happen at this moment.
    package func run() {
        var hasMoved = true
        while hasMoved {
            for world in worlds { world.run() }
            hasMoved = false
            for pair in pairs {
                if carry(from: pair.dialler, to: pair.acceptor) { hasMoved = true }
                if carry(from: pair.acceptor, to: pair.dialler) { hasMoved = true }
            }
            for (peer, end) in speakers { if speak(peer, with: end) { hasMoved = true } }
        }
    }

    /// Moves the clock.
    package func wait(_ amount: TimeAmount) {
        let end = now + amount
        run()
        while now < end {
            let step = min(.milliseconds(50), end - now)
            now = now + step
            for world in worlds { world.wait(step) }
            for side in pairs.flatMap({ [$0.dialler, $0.acceptor] }) + speakers.map(\.end) {
                if let due = side.connection.deadline, due <= now { side.connection.timeReached(now) }
            }
            run()
        }
    }

    private func deliver(to end: LinkEnd) -> Bool {
        var hasMoved = end.perform()
        for message in end.mailbox.takeAll() {
            end.connection.deliver(message, at: now)
            hasMoved = end.perform() || true
        }
        return hasMoved
    }

    private func carry(from near: LinkEnd, to far: LinkEnd) -> Bool {
        var hasMoved = deliver(to: near)
        while far.unread.readableBytes < Self.socketByteCount, near.connection.phase != .broken,
            var bytes = near.connection.nextWrite(at: now)
        {
            far.unread.writeBuffer(&bytes)
            hasMoved = true
        }
        while far.isReading, far.connection.wantsInput,
            let bytes = far.unread.readSlice(length: min(far.readByteCount, far.unread.readableBytes)),
            bytes.readableBytes > 0
        {
            far.connection.receive(bytes, at: now)
            hasMoved = far.perform() || true
        }
        far.unread.discardReadBytes()
        if near.connection.phase != .running, far.unread.readableBytes == 0, !far.hasEnded {
            far.hasEnded = true
            far.connection.inputEnded(at: now)
            hasMoved = true
        }
        return hasMoved
    }

    private func speak(_ peer: any WirePeer, with end: LinkEnd) -> Bool {
        var hasMoved = deliver(to: end)
        while let bytes = peer.nextOutbound(), end.connection.wantsInput {
            end.connection.receive(bytes, at: now)
            hasMoved = end.perform() || true
        }
        while end.connection.phase != .broken, let bytes = end.connection.nextWrite(at: now) {
            peer.receive(bytes)
            hasMoved = true
        }
        return hasMoved
    }
}
