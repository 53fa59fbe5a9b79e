import Connection
internal import Foundation
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import NIOPosix
internal import PeerSupport
internal import SecretHandshake
internal import SecureSession
internal import Synchronization
internal import Tunnel
internal import TypedSodium

/// Endpoints that are announced openly at a portal, each from an address of its own.
final class Fleet: Sendable {
    /// How often one dials before it gives up.
    private static let tryLimit = 30
    /// How long a handshake may take, as an endpoint has it.
    fileprivate static let handshakeTime = TimeAmount.seconds(10)

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let portal: PeerAddress
    private let addresses: [SocketAddress]
    private let identities: [Identity]
    private let connections = Mutex([any Channel]())

    /// So many, with the keys they need.
    init(of count: Int, from first: Int, to portal: PeerAddress) throws {
        self.portal = portal
        addresses = try (first..<first + count).map {
            try SocketAddress(ipAddress: "127.\($0 >> 16 & 255).\($0 >> 8 & 255).\($0 & 255)", port: 0)
        }
        identities = try (0..<count).map { _ in try .random() }
    }

    /// All dial at once, and again after a while where that fails, as endpoints do; done when each is announced.
    func comeBack() async -> FleetNews {
        let cpuSeconds = Self.cpuSeconds
        var news = await withTaskGroup(of: FleetNews.self) { tasks in
            for (identity, address) in zip(identities, addresses) {
                tasks.addTask { await self.comeBack(identity, from: address) }
            }
            return await tasks.reduce(FleetNews(), +)
        }
        news.lostCount += connections.withLock { $0.count { !$0.isActive } }
        news.cpuSeconds = Self.cpuSeconds - cpuSeconds
        return news
    }

    private static var cpuSeconds: Double {
        ProcessTable().usage(of: [ProcessInfo.processInfo.processIdentifier], withMemory: false).cpuSeconds
    }

    private func comeBack(_ identity: Identity, from address: SocketAddress) async -> FleetNews {
        let start = ContinuousClock.now
        var backoff = Backoff()
        for number in 1...Self.tryLimit {
            do {
                let channel = try await dial(identity, from: address)
                connections.withLock { $0.append(channel) }
                return FleetNews(times: [(ContinuousClock.now - start).inSeconds], tryCount: number)
            } catch {
                let pause = backoff.failed(at: .now(), fraction: .random(in: 0..<1))
                try? await Task.sleep(for: .nanoseconds(pause.nanoseconds))
            }
        }
        return FleetNews(tryCount: Self.tryLimit, lostCount: 1)
    }

    /// Dials, and announces; the channel, once that is answered.
    private func dial(_ identity: Identity, from address: SocketAddress) async throws -> any Channel {
        let announced = group.next().makePromise(of: Void.self)
        let key = portal.key
        let connecting = ClientBootstrap(group: announced.futureResult.eventLoop)
            .connectTimeout(Self.handshakeTime)
            .bind(to: address)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let session = try SecureSession(
                        dialling: key, as: identity, network: .scuttlebutt,
                        manifest: ["tunnel.ping": .async])
                    try channel.pipeline.syncOperations.addHandler(
                        AnnouncingHandler(session, announced: announced))
                }
            }
            .connect(to: try SocketAddress(ipAddress: portal.net.host, port: Int(portal.net.port)))
        connecting.whenFailure { announced.fail($0) }
        try await announced.futureResult.get()
        return try await connecting.get()
    }
}

/// A connection of an endpoint that is announced, and called by nobody.
private final class AnnouncingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// It was cut off before it was announced.
    private struct CutOff: Error {}

    private let session: SecureSession
    private let announced: EventLoopPromise<Void>
    private var call: RequestNumber?

    init(_ session: SecureSession, announced: EventLoopPromise<Void>) {
        self.session = session
        self.announced = announced
    }

    func channelActive(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Fleet.handshakeTime) {
            let (handler, context) = bound.value
            if !handler.session.isOpen { context.close(promise: nil) }
        }
        pump(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        session.receive(unwrapInboundIn(data))
        do {
            while let event = try session.next() { try note(event) }
            if session.isOpen, call == nil { call = try session.muxrpc.call(["tunnel", "announce"], []) }
        } catch {
            context.close(promise: nil)
        }
        pump(context)
    }

    private func note(_ event: SecureSession.Event) throws {
        switch event {
        case .session(.reply(let number, .value)) where number == call: announced.succeed()
        case .session(.reply(let number, .failure(let error))) where number == call: throw error
        // Whether it is still there: any answer says so.
        case .session(.request(let request)): session.muxrpc.fail(request.number, message: "here")
        default: break
        }
    }

    func channelInactive(context: ChannelHandlerContext) { announced.fail(CutOff()) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func pump(_ context: ChannelHandlerContext) {
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
    }
}
