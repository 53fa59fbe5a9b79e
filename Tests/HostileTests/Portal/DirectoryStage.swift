import Blinding
import Logging
import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import PortalCore
import SecretHandshake
import SecureSession
import Testing
import Transport
import Tunnel
import TypedSodium

/// A portal that listens, and peers that dial it from addresses of the loopback network, which count as sources of
/// their own; honest ones come from 127.0.0.1.
final class DirectoryStage: Sendable {
    static let network = NetworkIdentifier(FixedBytes<32>())

    let portal: Portal
    private let server: PortalServer
    let group: MultiThreadedEventLoopGroup

    private init(portal: Portal, server: PortalServer, group: MultiThreadedEventLoopGroup) {
        self.portal = portal
        self.server = server
        self.group = group
    }

    /// Runs a test with one, and closes it.
    static func run(
        _ change: (inout PortalSettings) -> Void = { _ in }, logger: Logger = Logger(label: "test"),
        _ body: (DirectoryStage) async throws -> Void
    ) async throws {
        let portalGroup = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        var settings = PortalSettings(name: "attacked") { 1_795_000_000_000 }
        change(&settings)
        let portal = Portal(identity: try .drawn(), network: network, settings: settings)
        let server = try await PortalServer.start(
            portal, over: TCPAcceptor(ListenAddress("127.0.0.1:0")), group: portalGroup)
        do {
            try await body(DirectoryStage(portal: portal, server: server, group: group))
        } catch {
            Issue.record(error)
        }
        await server.close()
        try await group.shutdownGracefully()
        try await portalGroup.shutdownGracefully()
    }

    /// An honest node's connection, which shows `shown` to the portal.
    func link(
        _ identity: Identity, showing shown: Identity, reception: NodeConnection.Reception = .none
    ) async throws -> NodeLink {
        let configuration = NodeConnection.Configuration(
            identity: identity, network: Self.network, reception: reception,
            wallClock: { 1_795_000_000_000 })
        let net = try NetAddress(host: "127.0.0.1", port: UInt16(server.port))
        return try await NodeLink.dial(
            portal.identity.publicKey, over: TCPConnector(net), showing: shown,
            configuration: configuration, on: group.next())
    }

    /// Somebody who dials from 127.0.0.`host`, and does with tunnels what `manner` says.
    func peer(
        from host: Int, as identity: Identity? = nil, _ manner: DirectoryPeer.Manner = .silent
    ) async throws -> DirectoryPeer {
        let loop = group.next()
        let opened = loop.makePromise(of: Void.self)
        let session = try NIOLoopBoundBox.makeBoxSendingValue(
            SecureSession(
                dialling: portal.identity.publicKey, as: identity ?? .drawn(), network: Self.network,
                manifest: ["tunnel.connect": .duplex, "tunnel.ping": .async]), eventLoop: loop)
        let handler = NIOLoopBoundBox<DirectoryHandler?>.makeEmptyBox(eventLoop: loop)
        let channel = try await ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let own = DirectoryHandler(session.value, manner, opened: opened)
                    handler.value = own
                    try channel.pipeline.syncOperations.addHandler(own)
                }
            }
            .bind(to: SocketAddress(ipAddress: "127.0.0.\(host)", port: 0))
            .connect(to: SocketAddress(ipAddress: "127.0.0.1", port: server.port)).get()
        try await opened.futureResult.get()
        return DirectoryPeer(channel: channel, handler: handler)
    }
}

/// A peer with a real session and no manners.
struct DirectoryPeer: Sendable {
    /// What it does with the tunnels that the portal opens to it.
    enum Manner: Sendable {
        case silent, refusing
    }

    let channel: any Channel
    fileprivate let handler: NIOLoopBoundBox<DirectoryHandler?>

    /// Calls, and waits for the answer.
    func call(_ name: String, _ arguments: [JSONValue] = []) async throws -> Reply {
        try await channel.eventLoop.flatSubmit {
            guard let handler = handler.value else {
                return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
            }
            return handler.call(name, arguments, on: channel.eventLoop)
        }.get()
    }

    /// Calls and waits for nothing.
    func send(_ calls: [String]) {
        channel.eventLoop.execute {
            for name in calls { _ = handler.value?.call(name, [], on: channel.eventLoop) }
        }
    }

    /// Announces tokens.
    func announce(_ tokens: [PairToken]) async throws -> Reply {
        let values = tokens.map { JSONValue.string($0.base64) }
        return try await call("tunnel.announce", [["hidden": true, "tokens": .array(values)]])
    }

    func close() async throws { try await channel.close() }

    /// How often the portal has called.
    var tunnelCount: Int {
        get async throws { try await channel.eventLoop.submit { handler.value?.tunnelCount ?? 0 }.get() }
    }
}

private final class DirectoryHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: SecureSession
    private let manner: DirectoryPeer.Manner
    private let opened: EventLoopPromise<Void>
    private var waiting: [RequestNumber: EventLoopPromise<Reply>] = [:]
    private var context: ChannelHandlerContext?
    private(set) var tunnelCount = 0

    init(_ session: SecureSession, _ manner: DirectoryPeer.Manner, opened: EventLoopPromise<Void>) {
        self.session = session
        self.manner = manner
        self.opened = opened
    }

    func call(_ name: String, _ arguments: [JSONValue], on loop: any EventLoop) -> EventLoopFuture<Reply> {
        let answer = loop.makePromise(of: Reply.self)
        do {
            let number = try session.muxrpc.call(name.split(separator: ".").map(String.init), arguments)
            waiting[number] = answer
        } catch {
            answer.fail(error)
        }
        pump()
        return answer.futureResult
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        pump()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        session.receive(unwrapInboundIn(data))
        do {
            while let event = try session.next() {
                switch event {
                case .established: opened.succeed()
                case .session(.reply(let number, let reply)):
                    waiting.removeValue(forKey: number)?.succeed(reply)
                case .session(.request(let request)) where request.name == ["tunnel", "connect"]:
                    tunnelCount += 1
                    if manner == .refusing { session.muxrpc.fail(request.stream, message: "no") }
                default: break
                }
            }
        } catch {
            context.close(promise: nil)
        }
        pump()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        opened.fail(ChannelError.eof)
        for promise in waiting.values { promise.fail(ChannelError.eof) }
        waiting = [:]
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func pump() {
        guard let context else { return }
        while let bytes = session.nextOutbound() { context.write(wrapOutboundOut(bytes), promise: nil) }
        context.flush()
    }
}
