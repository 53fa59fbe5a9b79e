import NIOCore
import NIOPosix
import PeerSupport
import TypedSodium

/// A TCP connection of the test to a port of this machine.
final class LocalConnection: Sendable {
    /// How the other side ended it.
    enum Ending: Equatable {
        /// It said that nothing more comes.
        case complete
        /// It was reset, or otherwise ended in the middle.
        case broken
    }

    /// What has come so far.
    struct Received: Sendable {
        /// Kept up to a limit that no test of short texts meets.
        var beginning: [UInt8] = []
        var byteCount = 0
        /// Known at the end.
        var hash: FixedBytes<32>?
        var ending: Ending?
    }

    private let channel: any Channel
    private let received: Watched<Received>

    private init(channel: any Channel, received: Watched<Received>) {
        self.channel = channel
        self.received = received
    }

    /// Dials; one that does not read what comes is a stalled reader.
    static func dial(_ port: Int, reads: Bool = true) async throws -> LocalConnection {
        let received = Watched(Received())
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.autoRead, value: reads)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ReceivingHandler(received))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return LocalConnection(channel: channel, received: received)
    }

    /// Sends, and returns when the system has it.
    func send(_ bytes: ByteBuffer) async throws { try await channel.writeAndFlush(bytes) }

    func send(_ text: String) async throws { try await send(ByteBuffer(string: text)) }

    func send(_ pattern: Pattern) async throws {
        for index in 0..<pattern.chunkCount { try await send(pattern.chunk(index)) }
    }

    /// Says that nothing more will be sent.
    func sendEnd() async throws { try await channel.close(mode: .output) }

    func close() async { try? await channel.close() }

    var hasEnded: Bool { received.value.ending != nil }

    /// The first bytes, once there are so many, as text.
    func text(_ byteCount: Int, within limit: Duration = .seconds(20)) async throws -> String {
        try await received.first(within: limit) { received in
            if received.byteCount >= byteCount {
                return String(decoding: received.beginning.prefix(byteCount), as: UTF8.self)
            }
            if let ending = received.ending { throw CwayProcess.Failure(description: "ended: \(ending)") }
            return nil
        }
    }

    /// Awaits that so many bytes have come.
    func awaitBytes(_ byteCount: Int, within limit: Duration = .seconds(20)) async throws {
        try await received.first(within: limit) { $0.byteCount >= byteCount ? () : nil }
    }

    /// Everything, once the other side has ended.
    func end(within limit: Duration = .seconds(60)) async throws -> Received {
        try await received.first(within: limit) { $0.ending != nil ? $0 : nil }
    }
}

private final class ReceivingHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    private static let beginningByteCount = 4096

    private let received: Watched<LocalConnection.Received>
    private var hash = SHA256()
    private var hasEnded = false
    private var hasSentEnd = false

    init(_ received: Watched<LocalConnection.Received>) { self.received = received }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        hash.update(bytes.readableBytesSpan)
        received.update {
            $0.byteCount += bytes.readableBytes
            let room = Self.beginningByteCount - $0.beginning.count
            if room > 0 { $0.beginning += bytes.readableBytesView.prefix(room) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { end(.complete) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(.broken)
        context.close(promise: nil)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .output { hasSentEnd = true }
        context.close(mode: mode, promise: promise)
    }

    /// Behind our own end, an orderly end of the other side closes the channel at once.
    func channelInactive(context: ChannelHandlerContext) { end(hasSentEnd ? .complete : .broken) }

    private func end(_ ending: LocalConnection.Ending) {
        guard !hasEnded else { return }
        hasEnded = true
        var finished = SHA256()
        swap(&finished, &hash)
        let digest = finished.finalize()
        received.update {
            $0.hash = digest
            $0.ending = ending
        }
    }
}
