public import Logging
public import Multiserver
public import NIOCore
internal import NIOPosix
internal import Relay
internal import Synchronization
internal import Tunnel

/// A portal that listens: accepts connections, gives each its machine, and carries messages between them.
public final class PortalServer: Sendable {
    private let portal: Portal
    private let listener: Listener
    private let connections: ConnectionRegister

    private init(portal: Portal, listener: Listener, connections: ConnectionRegister) {
        self.portal = portal
        self.listener = listener
        self.connections = connections
    }

    /// Listens, and serves whoever connects, or whom the `limits` let in where there are any.
    ///
    /// - Throws: the system's error when an address cannot be bound.
    public static func start(
        _ portal: Portal, at address: ListenAddress, group: any EventLoopGroup, limits: ConnectionLimits?,
        logger: Logger
    ) async throws -> PortalServer {
        let connections = ConnectionRegister()
        let listener = try await Listener.bind(address, for: .peers, group: group, logger: logger) {
            channel in
            channel.eventLoop.makeCompletedFuture {
                let seat = try limits.map { try enter(channel, $0, logger: logger) }
                try serve(channel, seat, portal, limits, connections, logger: logger)
            }
        }
        return PortalServer(portal: portal, listener: listener, connections: connections)
    }

    /// Takes a place for an accepted channel, until it is closed.
    private static func enter(
        _ channel: any Channel, _ limits: ConnectionLimits, logger: Logger
    ) throws -> ConnectionSeat {
        do throws(ConnectionLimits.Refusal) {
            let seat = try limits.enter(from: channel.remoteAddress, on: channel.eventLoop)
            channel.closeFuture.whenComplete { _ in seat.leave() }
            if let refusal = seat.refusal {
                logger.notice(
                    "a limit: a connection waits for a place",
                    metadata: [
                        "source": "\(seat.source)", "reason": "\(refusal)",
                        "remedy": "name a proxy with --trusted-proxy; raise LimitNOFILE for more in all",
                    ])
            }
            return seat
        } catch {
            logger.notice(
                "a limit: a connection was closed when it came",
                metadata: [
                    "source": "\(SourceAddress(channel.remoteAddress))", "reason": "\(error)",
                    "remedy": "it passes; who dials tries again",
                ])
            throw error
        }
    }

    /// Gives an accepted channel its machine.
    private static func serve(
        _ channel: any Channel, _ seat: ConnectionSeat?, _ portal: Portal, _ limits: ConnectionLimits?,
        _ connections: ConnectionRegister, logger: Logger
    ) throws {
        let mailbox = ChannelMailbox(eventLoop: channel.eventLoop)
        let source = seat?.source ?? SourceAddress(channel.remoteAddress)
        let machine = PortalConnection(
            portal: portal, mailbox: mailbox, source: "\(source)", seat: seat, at: .now())
        let number = connections.add(mailbox, channel)
        let handler = MachineHandler(
            machine,
            perform: { [weak channel] output in
                if case .happened(.connected(let peer)) = output, let channel {
                    ChannelSettings.boundStranger(
                        channel, unless: portal.policy.standing(of: peer) == .member)
                }
                perform(output, for: mailbox, of: portal, logger: logger)
            },
            settled: {
                guard let seat, let wish = machine.takeWish() else { return }
                limits?.grant(wish, to: mailbox, seat)
            },
            ended: {
                mailbox.close()
                connections.remove(number)
            })
        mailbox.open(handler)
        let id = machine.id
        seat?.attach(
            ConnectionSeat.Calls(
                isIdle: { portal.isIdle(id) }, drawn: { mailbox.act { $0.drawn(at: .now()) } },
                giveWay: { mailbox.act { $0.giveWay(at: .now()) } }))
        try channel.pipeline.syncOperations.addHandler(handler)
    }

    /// Where it listens.
    public var addresses: [SocketAddress] { listener.addresses }

    /// The port, the same on every address.
    public var port: Int { listener.port }

    /// Accepts no more, says goodbye on every connection, and returns when the last is gone.
    public func close() async {
        await listener.close()
        await connections.close()
    }

    private static func perform(
        _ output: PortalOutput, for own: ChannelMailbox, of portal: Portal, logger: Logger
    ) {
        switch output {
        case .post(let message, let mailbox):
            mailbox.post(message)
        case .redeem(let question):
            // The connection asks only where there is somebody to be asked.
            guard let redeem = portal.settings.redeem else { return }
            Task { own.post(.redeemed(question.call, await redeem(question.invite, question.feed))) }
        case .work:
            Task { while portal.work() { await Task.yield() } }
        case .happened(let happening):
            log(happening, at: portal, to: logger)
        }
    }

    private static func log(_ happening: PortalHappening, at portal: Portal, to logger: Logger) {
        switch happening {
        case .notAdmitted(let peer):
            let isDenied = portal.policy.standing(of: peer) == .denied
            logger.notice(
                isDenied ? "refused: this key is denied" : "refused: this key is no member's",
                metadata: [
                    "peer": "\(peer.id)",
                    "remedy": isDenied
                        ? "cway portal allow \(peer.id)" : "cway portal members add \(peer.id)",
                ])
        case .announcementRefused(let peer, let reason):
            var metadata: Logger.Metadata = ["reason": "\(reason)"]
            if let peer {
                metadata["peer"] = "\(peer.id)"
                metadata["remedy"] = "cway portal members add \(peer.id)"
            }
            logger.notice("announcement refused", metadata: metadata)
        case .connected(let peer):
            logger.debug("connected", metadata: ["peer": "\(peer.id)"])
        case .announced(let peer, _):
            logger.info("announced", metadata: ["endpoint": "\(peer.id)"])
        case .announcedHidden:
            logger.debug("a hidden endpoint announced")
        case .left(let peer):
            logger.info("left", metadata: ["endpoint": "\(peer.id)"])
        case .leftHidden:
            logger.debug("a hidden endpoint left")
        case .tunnelOpened(let tunnel, let client, let endpoint):
            logger.info(
                "tunnel opened",
                metadata: ["tunnel": "\(tunnel)", "from": "\(client.id)", "to": "\(endpoint.id)"])
        case .tunnelOpenedByToken(let tunnel):
            logger.info("tunnel opened by token", metadata: ["tunnel": "\(tunnel)"])
        case .tunnelCut(let tunnel, let cut):
            logger.warning("tunnel cut", metadata: ["tunnel": "\(tunnel)", "reason": "\(cut.message)"])
        case .refused(let peer, let reason):
            var metadata: Logger.Metadata = ["reason": "\(reason)"]
            if let peer {
                metadata["from"] = "\(peer.id)"
                if reason == PortalMessage.membersCall {
                    metadata["remedy"] = "cway portal members add \(peer.id)"
                }
            }
            logger.info("tunnel refused", metadata: metadata)
        case .disconnected(let peer, .tooManyConnections):
            logger.notice(
                "a limit: turned away, because its address has as many connections as it may",
                metadata: ["peer": "\(peer?.id ?? "unknown")", "remedy": "make it a member, who has a place"])
        case .disconnected(let peer, let departure):
            logger.debug(
                "disconnected", metadata: ["peer": "\(peer?.id ?? "unknown")", "reason": "\(departure)"])
        }
    }
}

/// Carries messages to the event loop of one connection.
///
/// Whatever is posted until the loop gets to it makes one hop, and what comes of it is written with one flush.
private final class ChannelMailbox: RelayMailbox {
    fileprivate let eventLoop: any EventLoop
    fileprivate let handler: NIOLoopBoundBox<MachineHandler<PortalConnection>?>
    private let waiting = Mutex<[RelayMessage]>([])

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        handler = .makeEmptyBox(eventLoop: eventLoop)
    }

    func open(_ handler: MachineHandler<PortalConnection>) { self.handler.value = handler }

    func close() { handler.value = nil }

    func post(_ message: RelayMessage) {
        let isFirst = waiting.withLock { waiting in
            waiting.append(message)
            return waiting.count == 1
        }
        guard isFirst else { return }
        eventLoop.execute { [self] in deliver() }
    }

    private func deliver() {
        var messages: [RelayMessage] = []
        waiting.withLock { swap(&$0, &messages) }
        // Backwards, so that each batch leaves with its only owner: it is sealed in place.
        messages.reverse()
        handler.value?.act { machine in
            while let message = messages.popLast() { machine.deliver(message, at: .now()) }
        }
    }

    /// Uses the connection, on its loop; nothing comes of it where that is over.
    func act(_ body: @escaping @Sendable (PortalConnection) -> Void) {
        eventLoop.execute { [handler] in handler.value?.act(body) }
    }

    /// Says goodbye.
    func finish() { act { $0.close(at: .now()) } }
}

extension ConnectionLimits {
    /// Sees to what the handshake of a connection needs, on its loop.
    fileprivate func grant(_ wish: PortalHandshake.Wish, to mailbox: ChannelMailbox, _ seat: ConnectionSeat) {
        switch wish {
        case .draw: awaitDraw(seat)
        case .turn:
            awaitTurn(seat, on: mailbox.eventLoop) { isGranted in
                mailbox.handler.value?.act { isGranted ? $0.takeTurn(at: .now()) : $0.giveWay(at: .now()) }
            }
        }
    }
}

/// The connections of a portal, so that they can be closed.
private final class ConnectionRegister: Sendable {
    private struct Entries {
        var lastNumber = 0
        var connections: [Int: (mailbox: ChannelMailbox, channel: any Channel)] = [:]
    }

    private let entries = Mutex(Entries())

    func add(_ mailbox: ChannelMailbox, _ channel: any Channel) -> Int {
        entries.withLock { entries in
            entries.lastNumber += 1
            entries.connections[entries.lastNumber] = (mailbox, channel)
            return entries.lastNumber
        }
    }

    func remove(_ number: Int) {
        _ = entries.withLock { $0.connections.removeValue(forKey: number) }
    }

    func close() async {
        let connections = entries.withLock { Array($0.connections.values) }
        for connection in connections { connection.mailbox.finish() }
        for connection in connections {
            do {
                try await connection.channel.closeFuture.get()
            } catch {
                continue  // closed with an error is closed
            }
        }
    }
}
