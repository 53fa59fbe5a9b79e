internal import Glibc
internal import NIOCore
internal import NIOPosix

/// Asks every process that runs from a home how it is.
package struct StatusClient: Sendable {
    /// What came of asking one of them.
    package enum Answer: Sendable {
        /// How it is.
        case report(StatusReport)
        /// It runs, and does not say.
        case failure(StatusSocket, StatusFailure)
    }

    /// How long one of them may take to answer.
    private static let time = TimeAmount.seconds(5)

    private let home: String

    /// A client of the home folder at that path.
    package init(home: String) { self.home = home }

    /// What each of them answers, by role and number; what is left of those that are gone is removed.
    ///
    /// - Throws: ``StatusFailure`` where the folder of the sockets cannot be used.
    package func ask() async throws(StatusFailure) -> [Answer] {
        let folder: StatusFolder
        do throws(StatusFailure) {
            folder = try StatusFolder(ofHome: home, isMade: false)
        } catch {
            guard error == .nothing else { throw error }
            return []
        }
        let sockets = folder.sockets()
        let answers = await withTaskGroup(of: (Int, Answer?).self) { tasks in
            for (index, socket) in sockets.enumerated() {
                tasks.addTask { (index, await Self.ask(socket, in: folder)) }
            }
            var answers: [Int: Answer] = [:]
            for await (index, answer) in tasks { answers[index] = answer }
            return answers
        }
        return sockets.indices.compactMap { answers[$0] }
    }

    /// What one answers; `nil` where it is gone.
    private static func ask(_ socket: StatusSocket, in folder: StatusFolder) async -> Answer? {
        do {
            return .report(try await report(at: folder.path(of: socket.fileName)))
        } catch StatusFailure.gone {
            folder.remove(socket.fileName)
            return nil
        } catch {
            return .failure(socket, error as? StatusFailure ?? .silent)
        }
    }

    private static func report(at path: String) async throws -> StatusReport {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: ByteBuffer.self)
        do {
            let channel = try await ClientBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(StatusAnswer(promise))
                    }
                }
                .connect(unixDomainSocketPath: path).get()
            let timer = loop.scheduleTask(in: time) { promise.fail(StatusFailure.silent) }
            promise.futureResult.whenComplete { _ in
                timer.cancel()
                channel.close(promise: nil)
            }
            try await channel.writeAndFlush(StatusFrame.encode(StatusFrame.Question()))
        } catch {
            let code = (error as? IOError)?.errnoCode
            promise.fail(code == ECONNREFUSED || code == ENOENT ? StatusFailure.gone : StatusFailure.silent)
        }
        return try StatusFrame.decode(await promise.futureResult.get(), as: StatusReport.self)
    }
}

/// Gathers one answer.
private final class StatusAnswer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let promise: EventLoopPromise<ByteBuffer>
    private var arrived = ByteBuffer()

    init(_ promise: EventLoopPromise<ByteBuffer>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        arrived.writeBuffer(&bytes)
        do throws(StatusFailure) {
            if let body = try StatusFrame.body(in: arrived, limit: StatusFrame.answerByteCount) {
                promise.succeed(body)
            }
        } catch {
            promise.fail(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { promise.fail(StatusFailure.silent) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(StatusFailure.silent)
        context.close(promise: nil)
    }
}

@available(*, unavailable)
extension StatusAnswer: Sendable {}
