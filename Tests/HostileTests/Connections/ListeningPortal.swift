import Foundation
import Logging
import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import Node
import PortalCore
import SecretHandshake
import SecureSession
import Synchronization
import Testing
import Transport
import Tunnel
import TypedSodium

/// A portal that listens with limits, on event loops of its own, and peers that dial it from addresses of the loopback
/// network; an honest pair comes from 127.0.0.1.
final class ListeningPortal: Sendable {
    static let network = NetworkIdentifier(FixedBytes<32>())

    /// Whether the tests that take minutes are wanted.
    static var isLong: Bool { ProcessInfo.processInfo.environment["CWAY_LONG"] == "1" }

    let portal: Portal
    private let server: PortalServer
    private let portalGroup: MultiThreadedEventLoopGroup
    /// The loops of honest peers, which have to see what the portal does and not what the others' loops do.
    private let honestGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let group = MultiThreadedEventLoopGroup.ofOthers()

    private init(portal: Portal, server: PortalServer, portalGroup: MultiThreadedEventLoopGroup) {
        self.portal = portal
        self.server = server
        self.portalGroup = portalGroup
    }

    /// Runs a test with one, and closes it.
    static func run(
        _ limits: ConnectionLimits.Settings, policy: PortalPolicy = PortalPolicy(),
        _ body: (ListeningPortal) async throws -> Void
    ) async throws {
        ProcessDescriptors.raiseLimit()
        let portalGroup = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        var settings = PortalSettings(name: "attacked") { 1_795_000_000_000 }
        settings.policy = policy
        let portal = Portal(identity: try .drawn(), network: Self.network, settings: settings)
        let server = try await PortalServer.start(
            portal, over: TCPAcceptor(ListenAddress("*:0")), group: portalGroup,
            limits: ConnectionLimits(limits, group: portalGroup))
        let listening = ListeningPortal(portal: portal, server: server, portalGroup: portalGroup)
        do {
            try await body(listening)
        } catch {
            Issue.record(error)
        }
        await server.close()
        try await listening.group.shutdownGracefully()
        try await listening.honestGroup.shutdownGracefully()
        try await portalGroup.shutdownGracefully()
    }

    // MARK: Honest peers

    /// Dials as a node does, from 127.0.0.1.
    func link(
        _ identity: Identity, announces: Bool = false
    ) async throws -> NodeLink {
        let policy = EndpointPolicy(services: [], access: .anyone)
        let configuration = NodeConnection.Configuration(
            identity: identity, network: Self.network, reception: announces ? .open(policy) : .none,
            wallClock: { 1_795_000_000_000 })
        let net = try NetAddress(host: "127.0.0.1", port: UInt16(server.port))
        let (announced, continuation) = AsyncStream.makeStream(of: Void.self)
        let link = try await NodeLink.dial(
            portal.identity.publicKey, over: TCPConnector(net), showing: identity,
            configuration: configuration, on: honestGroup.next()
        ) { event in
            if case .announced = event { continuation.finish() }
        }
        guard announces else { return link }
        link.announce()
        for await _ in announced {}
        return link
    }

    /// An endpoint, a client, and a session of theirs.
    func pair() async throws -> HonestPair {
        let target = try Identity.drawn()
        let endpoint = try await link(target, announces: true)
        let client = try await link(.drawn())
        let session = try await client.openTunnel(to: target.publicKey)
        return HonestPair(endpoint: endpoint, client: client, session: session)
    }

    // MARK: Others

    /// What somebody does who dials.
    enum Manner: Sendable {
        /// Says nothing.
        case silent
        /// Sends the beginning of a handshake's first message.
        case drip
        /// Sends the first message.
        case hello
        /// Makes the handshake, and this call.
        case call(String)
    }

    /// Somebody dials from 127.0.0.`host`.
    func dial(from host: Int, _ manner: Manner, as identity: Identity? = nil) async throws -> Dialled {
        let loop = group.next()
        let opened = loop.makePromise(of: Void.self)
        let reply = loop.makePromise(of: Reply.self)
        opened.futureResult.whenFailure { _ in }
        reply.futureResult.whenFailure { _ in }
        let session = try NIOLoopBoundBox.makeBoxSendingValue(
            SecureSession(
                dialling: portal.identity.publicKey, as: identity ?? .drawn(), network: Self.network,
                manifest: ["tunnel.ping": .async]), eventLoop: loop)
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: loop)
                .connectTimeout(.seconds(20))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            DiallingHandler(session.value, manner, opened: opened, reply: reply))
                    }
                }
                .bind(to: SocketAddress(ipAddress: "127.0.0.\(host)", port: 0))
                .connect(to: SocketAddress(ipAddress: "127.0.0.1", port: server.port)).get()
        } catch {
            opened.fail(error)
            reply.fail(error)
            throw error
        }
        return Dialled(channel: channel, opened: opened.futureResult, reply: reply.futureResult)
    }

    /// Waits until the portal has given back what is not wanted any more.
    func awaitConnectionCount(_ count: Int, within limit: Duration = .seconds(15)) async throws {
        #expect(try await Hostile.eventually(within: limit) { portal.metrics.connectionCount <= count })
    }
}

/// A connection of somebody to the portal.
struct Dialled: Sendable {
    let channel: any Channel
    /// The handshake is over.
    let opened: EventLoopFuture<Void>
    /// What the call was answered.
    let reply: EventLoopFuture<Reply>

    func close() { channel.close(promise: nil) }
}

/// An attack of many tasks, and the connections that it holds.
final class Attack: Sendable {
    private struct State {
        var isOver = false
        var held: [ObjectIdentifier: any Channel] = [:]
        var holdCount = 0
    }

    private let state = Mutex(State())

    var goesOn: Bool { !state.withLock(\.isOver) }

    /// How many connections it has had so far.
    var holdCount: Int { state.withLock(\.holdCount) }

    /// Keeps a connection until it is closed, or the attack ends.
    func hold(_ channel: any Channel) async {
        let isOver = state.withLock { state in
            state.held[ObjectIdentifier(channel)] = channel
            state.holdCount += 1
            return state.isOver
        }
        if isOver { channel.close(promise: nil) }
        // However it was closed.
        try? await channel.closeFuture.get()
        _ = state.withLock { $0.held.removeValue(forKey: ObjectIdentifier(channel)) }
    }

    func end() {
        let held = state.withLock { state in
            state.isOver = true
            return Array(state.held.values)
        }
        for channel in held { channel.close(promise: nil) }
    }
}

/// The end of a connection was reached before what was awaited.
struct HangUp: Error {}

private final class DiallingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: SecureSession
    private let manner: ListeningPortal.Manner
    private let opened: EventLoopPromise<Void>
    private let reply: EventLoopPromise<Reply>
    private var call: RequestNumber?

    init(
        _ session: SecureSession, _ manner: ListeningPortal.Manner, opened: EventLoopPromise<Void>,
        reply: EventLoopPromise<Reply>
    ) {
        self.session = session
        self.manner = manner
        self.opened = opened
        self.reply = reply
    }

    func channelActive(context: ChannelHandlerContext) {
        switch manner {
        case .silent: return
        case .drip:
            let beginning = session.nextOutbound()?.getSlice(at: 0, length: 20)
            context.writeAndFlush(wrapOutboundOut(beginning ?? ByteBuffer()), promise: nil)
        case .hello, .call: pump(context)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .call(let name) = manner else { return }
        session.receive(unwrapInboundIn(data))
        do {
            while let event = try session.next() {
                if case .session(.reply(call, let answer)) = event { reply.succeed(answer) }
            }
            if session.isOpen, call == nil {
                opened.succeed()
                call = try session.muxrpc.call(name.split(separator: ".").map(String.init), [])
            }
        } catch {
            context.close(promise: nil)
        }
        pump(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        opened.fail(HangUp())
        reply.fail(HangUp())
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func pump(_ context: ChannelHandlerContext) {
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
    }
}

/// Two nodes with a session through the portal.
struct HonestPair: Sendable {
    let endpoint: NodeLink
    let client: NodeLink
    let session: SessionID

    /// How long a call through the tunnel takes, one every 5 ms until a moment, sorted.
    func roundTrips(while isWanted: () -> Bool) async throws -> [Duration] {
        let clock = ContinuousClock()
        var times: [Duration] = []
        repeat {
            times.append(
                try await clock.measure { _ = try await client.call(["tunnel", "ping"], on: session) })
            try await Task.sleep(for: .milliseconds(5))
        } while isWanted()
        return times.sorted()
    }

    func roundTrips(for time: Duration) async throws -> [Duration] {
        let clock = ContinuousClock()
        let end = clock.now + time
        return try await roundTrips { clock.now < end }
    }

    func close() async {
        await client.close()
        await endpoint.close()
    }
}

extension [Duration] {
    /// Of sorted times the one that so many hundredths are no longer than.
    func percentile(_ hundredths: Int) -> Duration {
        isEmpty ? .zero : self[Swift.min(count - 1, count * hundredths / 100)]
    }
}
