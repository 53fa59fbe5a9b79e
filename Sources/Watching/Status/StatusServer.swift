internal import Glibc
package import NIOCore
internal import NIOPosix
internal import Synchronization

/// Where a process says how it is, to its own user alone: a Unix socket in the home.
///
/// One question for each connection, and one answer. Whoever says nothing, or does not read, is cut after
/// its patience; ``connectionLimit`` may ask at a time.
package final class StatusServer: Sendable {
    /// Makes the report of this moment.
    package typealias Answer = @Sendable () async -> StatusReport

    /// How many may ask at the same time.
    private static let connectionLimit = 16

    private let folder: StatusFolder
    private let socket: StatusSocket
    private let channel: any Channel

    private init(folder: StatusFolder, socket: StatusSocket, channel: any Channel) {
        self.folder = folder
        self.socket = socket
        self.channel = channel
    }

    /// Listens, for this process in this role; `patience` is how long a question and its answer may take.
    ///
    /// - Throws: ``StatusFailure``, or NIO's error where the socket cannot be had.
    package static func start(
        as role: String, inHome home: String, group: any EventLoopGroup, patience: TimeAmount = .seconds(10),
        answer: @escaping Answer
    ) async throws -> StatusServer {
        let folder = try StatusFolder(ofHome: home, isMade: true)
        let socket = StatusSocket(role: role, process: getpid())
        // Of an earlier process with this number, or of a start that was interrupted.
        folder.remove(socket.draftName)
        let places = Places()
        let channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { accept($0, at: places, patience, answer) }
            .bind(unixDomainSocketPath: folder.path(of: socket.draftName)).get()
        do throws(StatusFailure) {
            try folder.publish(socket.draftName, as: socket.fileName)
        } catch {
            folder.remove(socket.draftName)
            try? await channel.close()
            throw error
        }
        return StatusServer(folder: folder, socket: socket, channel: channel)
    }

    /// Answers no more, and takes the socket away.
    package func close() async {
        folder.remove(socket.fileName)
        try? await channel.close()
    }

    /// Lets those in that belong to this user, or to root, while there is a place.
    private static func accept(
        _ channel: any Channel, at places: Places, _ patience: TimeAmount, _ answer: @escaping Answer
    ) -> EventLoopFuture<Void> {
        guard places.enter(), let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeFailedFuture(StatusFailure.silent)
        }
        channel.closeFuture.whenComplete { _ in places.leave() }
        let peer: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        return peer.flatMapThrowing { peer in
            guard peer.user == geteuid() || peer.user == 0 else { throw StatusFailure.silent }
            try channel.pipeline.syncOperations.addHandler(StatusConnection(patience, answer))
        }
    }

    /// How many may still ask.
    private final class Places: Sendable {
        private let taken = Atomic(0)

        func enter() -> Bool {
            guard taken.add(1, ordering: .relaxed).newValue <= connectionLimit else {
                leave()
                return false
            }
            return true
        }

        func leave() { taken.subtract(1, ordering: .relaxed) }
    }
}

/// Who is at the other end of a Unix socket, as the system knows it.
///
/// Source: unix(7), SO_PEERCRED; laid out as `struct ucred`.
struct PeerCredentials: Sendable {
    var process: Int32 = 0
    var user: UInt32 = 0
    var group: UInt32 = 0
}

/// One connection at which somebody asks: reads one question, writes one answer, and closes.
final class StatusConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// How long all of it may take.
    private let patience: TimeAmount
    private let answer: StatusServer.Answer
    private var question = ByteBuffer()
    private var isAsked = false
    private var timer: Scheduled<Void>?

    init(_ patience: TimeAmount, _ answer: @escaping StatusServer.Answer) {
        self.patience = patience
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { timer?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isAsked else { return }
        var bytes = unwrapInboundIn(data)
        question.writeBuffer(&bytes)
        do throws(StatusFailure) {
            let body = try StatusFrame.body(in: question, limit: StatusFrame.questionByteCount)
            guard let body else { return }
            let asked = try StatusFrame.decode(body, as: StatusFrame.Question.self)
            guard asked == StatusFrame.Question() else { throw .malformed }
            isAsked = true
            reply(on: context.channel)
        } catch {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func reply(on channel: any Channel) {
        Task { [answer] in
            do {
                try await channel.writeAndFlush(StatusFrame.encode(await answer()))
            } catch {
                // Who has asked is gone, or gets no more than that.
            }
            try? await channel.close()
        }
    }
}

@available(*, unavailable)
extension StatusConnection: Sendable {}
