import Connection
package import NIOCore
package import PortalCore
package import SecretHandshake
internal import SecureSession
internal import Synchronization
internal import Testing
package import TypedSodium

/// The peer's end of a wire to a portal.
package protocol WirePeer: AnyObject {
    /// The next bytes that the peer sends.
    func nextOutbound() -> ByteBuffer?
    /// Bytes from the portal.
    func receive(_ bytes: ByteBuffer)
    /// The portal sends nothing more.
    func inputEnded()
    /// Whether the peer takes bytes.
    var wantsInput: Bool { get }
    /// Whether the connection ends behind what the peer has sent.
    var hangsUp: Bool { get }
    /// When the peer has something to do.
    var deadline: NIODeadline? { get }
    func timeReached()
}

extension WirePeer {
    package func inputEnded() {}
    package var wantsInput: Bool { true }
    package var hangsUp: Bool { false }
    package var deadline: NIODeadline? { nil }
    package func timeReached() {}
}

/// Messages that wait for a connection, as a channel's event loop would hold them.
package final class QueueMailbox: RelayMailbox {
    private let messages = Mutex<[RelayMessage]>([])

    package init() {}

    package func post(_ message: RelayMessage) { messages.withLock { $0.append(message) } }

    package func takeAll() -> [RelayMessage] {
        messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }
}

/// One connection of the portal and the peer at its other end.
package final class Link {
    package let connection: PortalConnection
    package let peer: any WirePeer
    fileprivate let mailbox: QueueMailbox
    /// Whether the peer's socket takes what the portal writes.
    package var isPeerReading = true
    /// The longest piece in which bytes reach the portal.
    package var readByteCount = Int.max
    /// How much of the peer's bytes fits in front of the portal.
    package var unreadLimit = Int.max
    fileprivate var hasToldPortal = false
    fileprivate var hasToldPeer = false
    /// What the peer has sent and the portal has not read.
    package fileprivate(set) var unread = ByteBuffer()

    fileprivate init(_ peer: any WirePeer, portal: Portal, source: String, at now: NIODeadline) {
        mailbox = QueueMailbox()
        connection = PortalConnection(portal: portal, mailbox: mailbox, source: source, at: now)
        self.peer = peer
    }
}

/// A portal with peers around it, joined by memory instead of sockets; time stands still until it is moved.
package final class PortalWorld {
    package let portal: Portal
    package let network = NetworkIdentifier(FixedBytes<32>())
    package private(set) var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    package private(set) var events: [PortalEvent] = []
    /// What the portal's owner was asked and has not answered.
    package private(set) var questions: [(question: RedeemQuestion, link: Link)] = []
    private var links: [Link] = []
    /// Whether the portal's work off the loops is done as soon as it is called for; else ``work()`` does a piece.
    package var worksAtOnce = true
    package private(set) var isCalledToWork = false

    package init(
        as identity: Identity? = nil, _ change: (inout PortalSettings) -> Void = { _ in }
    ) throws {
        var settings = PortalSettings(name: "the portal") { 1_795_000_000_000 }
        change(&settings)
        portal = Portal(identity: try identity ?? .random(), network: network, settings: settings)
    }

    /// The first tunnel that was opened.
    package var firstTunnel: TunnelID { TunnelID(1) }

    package var portalKey: PublicKey { portal.identity.publicKey }

    /// Joins a peer to the portal.
    package func join(_ peer: any WirePeer, from source: String = "unknown") -> Link {
        let link = Link(peer, portal: portal, source: source, at: now)
        links.append(link)
        return link
    }

    /// The number of connections on this side of the world.
    package var linkCount: Int { links.count }

    /// A peer with a real session, its handshake done.
    package func connect(_ identity: Identity, from source: String = "unknown") throws -> (SessionPeer, Link)
    {
        let peer = try SessionPeer(identity, to: portalKey, network: network)
        let link = join(peer, from: source)
        run()
        return (peer, link)
    }

    /// The portal's owner answers what it was asked first.
    package func answer(_ outcome: RedeemOutcome) {
        guard !questions.isEmpty else { return }
        let (question, link) = questions.removeFirst()
        link.mailbox.post(.redeemed(question.call, outcome))
        run()
    }

    /// The connection's transport breaks.
    package func drop(_ link: Link) {
        link.connection.inputEnded(at: now)
        run()
        links.removeAll { $0 === link }
    }

    /// Lets everything happen that can happen at this moment.
    package func run() {
        var (hasMoved, rounds) = (true, 0)
        while hasMoved, rounds < 100_000 {
            hasMoved = false
            rounds += 1
            for link in links {
                for message in link.mailbox.takeAll() {
                    link.connection.deliver(message, at: now)
                    hasMoved = true
                }
                if carry(link) { hasMoved = true }
            }
            if worksAtOnce, isCalledToWork {
                work()
                hasMoved = true
            }
        }
        if hasMoved { Issue.record("the world does not come to rest") }
    }

    /// Does a piece of the portal's work.
    package func work() { isCalledToWork = portal.work() }

    /// How much the portal would write to a peer that reads nothing, in bytes.
    package func drain(_ link: Link) -> Int {
        var byteCount = 0
        while let bytes = link.connection.nextWrite(at: now) { byteCount += bytes.readableBytes }
        return byteCount
    }

    /// Moves the clock, stopping at every deadline in between.
    package func wait(_ amount: TimeAmount) {
        let end = now + amount
        run()
        while let next = links.flatMap({ [$0.connection.deadline, $0.peer.deadline] }).compactMap(\.self)
            .min(), next <= end
        {
            now = max(now, next)
            for link in links where link.peer.deadline.map({ $0 <= now }) == true { link.peer.timeReached() }
            for link in links where link.connection.deadline.map({ $0 <= now }) == true {
                link.connection.timeReached(now)
            }
            run()
        }
        now = end
    }

    private func carry(_ link: Link) -> Bool {
        var hasMoved = perform(link)
        while link.unread.readableBytes < link.unreadLimit, var bytes = link.peer.nextOutbound() {
            link.unread.writeBuffer(&bytes)
        }
        while link.connection.wantsInput,
            let bytes = link.unread.readSlice(length: min(link.readByteCount, link.unread.readableBytes)),
            bytes.readableBytes > 0
        {
            link.connection.receive(bytes, at: now)
            hasMoved = perform(link) || true
        }
        while link.isPeerReading, link.peer.wantsInput, link.connection.phase != .broken,
            let bytes = link.connection.nextWrite(at: now)
        {
            link.peer.receive(bytes)
            hasMoved = perform(link) || true
        }
        return endIfDue(link) || hasMoved
    }

    /// Carries the end of the connection, from either side to the other.
    private func endIfDue(_ link: Link) -> Bool {
        var hasMoved = false
        let isBroken = link.connection.phase == .broken
        if link.peer.hangsUp, link.unread.readableBytes == 0 || isBroken, !link.hasToldPortal {
            link.hasToldPortal = true
            link.connection.inputEnded(at: now)
            _ = perform(link)
            hasMoved = true
        }
        if isBroken || (link.connection.phase == .finished && link.isPeerReading && link.peer.wantsInput),
            !link.hasToldPeer
        {
            link.hasToldPeer = true
            link.peer.inputEnded()
            hasMoved = true
        }
        return hasMoved
    }

    private func perform(_ link: Link) -> Bool {
        var hasMoved = false
        while let output = link.connection.nextOutput() {
            hasMoved = true
            switch output {
            case .post(let message, let mailbox): mailbox.post(message)
            case .work: isCalledToWork = true
            case .redeem(let question): questions.append((question, link))
            case .event(let event): events.append(event)
            }
        }
        return hasMoved
    }
}
