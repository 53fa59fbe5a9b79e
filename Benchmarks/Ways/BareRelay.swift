internal import ArgumentParser
internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import Node
internal import PeerSupport
internal import Transport

/// What any relay made of SwiftNIO costs: bytes from one socket to another, with a portal's buffers and
/// back-pressure.
struct BareRelayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bare-relay", abstract: "Relays bytes to a port.", shouldDisplay: false)

    @Option(help: "The port on the loopback interface to connect to.")
    var to: Int

    func run() async throws {
        ProcessMemory.keepBuffers()
        let target = to
        let group = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
        let server = try await ServerBootstrap(group: group)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .relayOptions()
            .childChannelInitializer { near in
                ClientBootstrap(group: near.eventLoop)
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .relayOptions()
                    .connect(host: "127.0.0.1", port: target)
                    .flatMapThrowing { far in
                        let (left, right) = (RelayHandler(), RelayHandler())
                        (left.partner, right.partner) = (right, left)
                        try near.pipeline.syncOperations.addHandler(left)
                        try far.pipeline.syncOperations.addHandler(right)
                    }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        try FileHandle.standardOutput.write(
            contentsOf: Foundation.Data("\(server.localAddress?.port ?? 0)\n".utf8))
        // Nobody writes to the standard input; it ends with the benchmark.
        while readLine() != nil {}
    }
}

/// One of a pair of connections: what it reads, the other writes.
private final class RelayHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    var partner: RelayHandler?
    private var context: ChannelHandlerContext?
    private var holdsRead = false

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        partner = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        partner?.context?.write(wrapOutboundOut(unwrapInboundIn(data)), promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) { partner?.context?.flush() }

    func read(context: ChannelHandlerContext) {
        if partner?.context?.channel.isWritable ?? true { context.read() } else { holdsRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, let partner, partner.holdsRead else { return }
        partner.holdsRead = false
        partner.context?.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent {
            partner?.context?.closeBehindWrites(.output)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { partner?.context?.closeBehindWrites(.all) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension ServerBootstrap {
    /// A portal's socket options.
    fileprivate func relayOptions() -> ServerBootstrap {
        childChannelOption(.recvAllocator, value: RelayOptions.allocator)
            .childChannelOption(.maxMessagesPerRead, value: RelayOptions.readsPerEvent)
            .childChannelOption(.writeBufferWaterMark, value: RelayOptions.watermark)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
    }
}

extension ClientBootstrap {
    /// A portal's socket options.
    fileprivate func relayOptions() -> ClientBootstrap {
        channelOption(.recvAllocator, value: RelayOptions.allocator)
            .channelOption(.maxMessagesPerRead, value: RelayOptions.readsPerEvent)
            .channelOption(.writeBufferWaterMark, value: RelayOptions.watermark)
            .channelOption(.allowRemoteHalfClosure, value: true)
    }
}

/// The best of those that were tried, which the portal has too.
private enum RelayOptions {
    static var allocator: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 4096, maximum: 256 << 10)
    }
    static let readsPerEvent: UInt = 4
    static let watermark = ChannelOptions.Types.WriteBufferWaterMark(low: 128 << 10, high: 512 << 10)
}

extension Way {
    /// One process that passes bytes on as they are.
    static func bareRelay(_ stage: Stage) async throws -> Way {
        let service = try LoopbackSocket.listening()
        let child = try stage.launch(
            "relay", try Stage.ownProgram(), ["bare-relay", "--to", "\(try service.port)"])
        guard let port = UInt16(try await child.firstLine()) else {
            throw Stage.Failure(description: "the bare relay printed no port")
        }
        return Way(
            name: "bare NIO relay", entry: port, service: service,
            roles: [Role(name: "portal", children: [child])])
    }
}
