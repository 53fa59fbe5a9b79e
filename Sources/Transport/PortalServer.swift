package import NIOCore
package import PortalCore
internal import Synchronization

/// What happens where a portal listens, for the log.
package enum PortalServerEvent: Sendable {
    /// At one of its connections.
    case portal(PortalEvent)
    /// A connection has no place, and is only tried.
    case waitsForPlace(SourceAddress, ConnectionPlaces.Refusal)
    /// A connection was closed when it came.
    case turnedAway(SourceAddress, ConnectionLimits.Refusal)
    /// A connection of a proxy was closed, because it did not begin with its header.
    case noProxyHeader(SourceAddress, ProxyHeaderError)
    /// Where connections are accepted.
    case listener(ListenerEvent)
}

/// A portal that listens: accepts connections, gives each its machine, and carries messages between them.
package final class PortalServer: Sendable {
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
    /// `report` is told, on any event loop, what happens.
    /// - Throws: the acceptor's error, such as that an address cannot be bound.
    package static func start(
        _ portal: Portal, over acceptor: any Acceptor, group: any EventLoopGroup,
        limits: ConnectionLimits? = nil, report: @escaping @Sendable (PortalServerEvent) -> Void = { _ in }
    ) async throws -> PortalServer {
        let connections = ConnectionRegister()
        let listener = try await Listener.start(
            over: acceptor, group: group, report: { report(.listener($0)) }
        ) { channel in
            channel.eventLoop.makeCompletedFuture {
                @Sendable func begin(from address: SocketAddress?) throws {
                    let seat = try limits.map {
                        try enter(channel, from: address, $0, of: portal, report: report)
                    }
                    let source = seat?.source ?? SourceAddress(address)
                    try serve(channel, from: source, seat, portal, limits, connections, report: report)
                }
                let address = peerAddress(of: channel)
                guard let limits, limits.isProxy(address) else { return try begin(from: address) }
                try awaitHeader(on: channel, from: address, limits, of: portal, report: report) { named in
                    try begin(from: named ?? address)
                }
            }
        }
        return PortalServer(portal: portal, listener: listener, connections: connections)
    }

    /// Where a connection comes from; of a Unix domain socket the other end has no name, and our own stands for it.
    private static func peerAddress(of channel: any Channel) -> SocketAddress? {
        if let address = channel.remoteAddress { return address }
        guard case .unixDomainSocket? = channel.localAddress else { return nil }
        return channel.localAddress
    }

    /// Reads the header of a proxy's connection first; `begin` is told whose it is, where the header says so.
    private static func awaitHeader(
        on channel: any Channel, from address: SocketAddress?, _ limits: ConnectionLimits, of portal: Portal,
        report: @escaping @Sendable (PortalServerEvent) -> Void,
        _ begin: @escaping (SocketAddress?) throws -> Void
    ) throws {
        let proxy = SourceAddress(address)
        @Sendable func refuse(_ error: ProxyHeaderError) {
            portal.count(PortalMetrics.Limit.proxyHeaders)
            report(.noProxyHeader(proxy, error))
        }
        do throws(ProxyHeaderError) {
            try limits.enterHeader()
        } catch {
            refuse(error)
            throw error
        }
        let handler = ProxyHeaderHandler(
            opened: begin, refused: refuse, ended: { limits.leaveHeader() })
        try channel.pipeline.syncOperations.addHandler(handler)
    }

    /// Takes a place for an accepted channel, until it is closed.
    private static func enter(
        _ channel: any Channel, from address: SocketAddress?, _ limits: ConnectionLimits, of portal: Portal,
        report: @Sendable (PortalServerEvent) -> Void
    ) throws -> ConnectionSeat {
        do throws(ConnectionLimits.Refusal) {
            let seat = try limits.enter(from: address, on: channel.eventLoop)
            channel.closeFuture.whenComplete { _ in seat.leave() }
            if let refusal = seat.refusal {
                portal.count(PortalMetrics.Limit(refusal))
                report(.waitsForPlace(seat.source, refusal))
            }
            return seat
        } catch {
            portal.count(PortalMetrics.Limit(error))
            report(.turnedAway(SourceAddress(address), error))
            throw error
        }
    }

    /// Gives an accepted channel its machine.
    private static func serve(
        _ channel: any Channel, from source: SourceAddress, _ seat: ConnectionSeat?, _ portal: Portal,
        _ limits: ConnectionLimits?, _ connections: ConnectionRegister,
        report: @escaping @Sendable (PortalServerEvent) -> Void
    ) throws {
        let mailbox = ChannelMailbox<PortalConnection>(eventLoop: channel.eventLoop)
        let machine = PortalConnection(
            portal: portal, mailbox: mailbox, source: "\(source)", seat: seat,
            on: ObjectIdentifier(channel.eventLoop), at: .now())
        let number = connections.add(mailbox, channel)
        let handler = MachineHandler(
            machine,
            perform: { [weak channel] output in
                if case .event(.connected(let peer)) = output, let channel {
                    ChannelSettings.boundStranger(
                        channel, unless: portal.policy.standing(of: peer) == .member)
                }
                perform(output, for: mailbox, of: portal, report: report)
            },
            settled: {
                guard let seat, let wish = machine.takeWish() else { return }
                limits.map { mailbox.grant(wish, of: $0, seat) }
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
        do {
            try channel.pipeline.syncOperations.addHandler(handler)
        } catch {
            // A channel that is closed already never says that it is.
            mailbox.close()
            connections.remove(number)
            throw error
        }
    }

    /// Where it listens.
    package var addresses: [SocketAddress] { listener.addresses }

    /// The port, the same on every address.
    package var port: Int { listener.port }

    /// Accepts no more; the connections that there are stay.
    package func acceptNoMore() async { await listener.close() }

    /// Accepts no more, says goodbye on every connection, and returns when the last is gone.
    package func close() async {
        await listener.close()
        await connections.close()
    }

    private static func perform(
        _ output: PortalOutput, for own: ChannelMailbox<PortalConnection>, of portal: Portal,
        report: @Sendable (PortalServerEvent) -> Void
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
        case .event(let event):
            report(.portal(event))
        }
    }
}

extension PortalMetrics.Limit {
    fileprivate init(_ refusal: ConnectionPlaces.Refusal) {
        switch refusal {
        case .tooManyConnections: self = .connections
        case .tooManyHandshakes: self = .handshakes
        }
    }

    fileprivate init(_ refusal: ConnectionLimits.Refusal) {
        switch refusal {
        case .tooManyHandshakes: self = .handshakesWaiting
        case .tooManyOnTrial: self = .trials
        }
    }
}

extension ChannelMailbox where Machine == PortalConnection {
    /// Sees to what the handshake of the connection needs, on its loop.
    fileprivate func grant(_ wish: PortalHandshake.Wish, of limits: ConnectionLimits, _ seat: ConnectionSeat)
    {
        switch wish {
        case .draw: limits.awaitDraw(seat)
        case .turn:
            limits.awaitTurn(seat, on: eventLoop) { [handler] isGranted in
                handler.value?.act { isGranted ? $0.takeTurn(at: .now()) : $0.giveWay(at: .now()) }
            }
        }
    }

    /// Says goodbye.
    fileprivate func finish() { act { $0.close(at: .now()) } }
}

/// The connections of a portal, so that they can be closed.
private final class ConnectionRegister: Sendable {
    private struct Entries {
        var lastNumber = 0
        var connections: [Int: (mailbox: ChannelMailbox<PortalConnection>, channel: any Channel)] = [:]
    }

    private let entries = Mutex(Entries())

    func add(_ mailbox: ChannelMailbox<PortalConnection>, _ channel: any Channel) -> Int {
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
