internal import Foundation
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Transport
internal import Tunnel

/// Joins two file descriptors, standard input and output as a rule, to a friend's service.
public struct PipeService: Sendable {
    private let service: String
    private let connection: PeerConnection

    /// A join to the friend's service of that name.
    public init(to service: String, over connection: PeerConnection) {
        self.service = service
        self.connection = connection
    }

    /// Transfers until both sides have said all; the descriptors stay open.
    ///
    /// - Throws: ``HopFailure``, also when the stream ended in the middle.
    public func run(input: Int32, output: Int32) async throws {
        let pipes = try DescriptorPipes(input: input, output: output)
        let channel = try await NIOPipeBootstrap(group: connection.link.eventLoop)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { NodeLink.prepare($0) }
            .takingOwnershipOfDescriptors(input: pipes.input, output: pipes.output)
            .get()
        do {
            try await connection.link.join(channel, to: .service(service), on: connection.session).get()
        } catch let failure as StreamFailure {
            throw HopFailure(failure, of: service)
        } catch is ChannelError {
            throw HopFailure.connectionLost("the local side closed its end")
        }
        await pipes.finish()
    }
}

/// Descriptors that an event loop can watch, in place of some that it cannot or should not.
///
/// A regular file cannot be watched; and watching needs O_NONBLOCK, which would hold for every process that shares a
/// terminal. So each side gets a pipe of its own, with a thread that copies.
private final class DescriptorPipes: Sendable {
    let input: Int32
    let output: Int32
    private let outputCopied: AsyncStream<Never>

    init(input: Int32, output: Int32) throws {
        let inward = try Self.makePipe()
        let outward = try Self.makePipe()
        self.input = inward.readEnd
        self.output = outward.writeEnd
        CopyJob(source: dup(input), destination: inward.writeEnd) {}.start()
        let (stream, continuation) = AsyncStream.makeStream(of: Never.self)
        outputCopied = stream
        CopyJob(source: outward.readEnd, destination: dup(output)) { continuation.finish() }.start()
    }

    /// Returns when the last byte has reached the real output.
    func finish() async { for await _ in outputCopied {} }

    private static func makePipe() throws -> (readEnd: Int32, writeEnd: Int32) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw IOError(errnoCode: errno, reason: "pipe") }
        return (ends[0], ends[1])
    }
}

/// Copies bytes on a thread of its own until the end or an error, then closes both descriptors.
private final class CopyJob: Sendable {
    private let source: Int32
    private let destination: Int32
    private let done: @Sendable () -> Void

    init(source: Int32, destination: Int32, done: @escaping @Sendable () -> Void) {
        self.source = source
        self.destination = destination
        self.done = done
    }

    /// The thread may stay in its last read until the process ends.
    func start() { Thread.detachNewThread { self.run() } }

    private func run() {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe read(source, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0, write(buffer, count) else { break }
        }
        close(source)
        close(destination)
        done()
    }

    private func write(_ buffer: [UInt8], _ count: Int) -> Bool {
        var written = 0
        while written < count {
            let step = unsafe buffer.withUnsafeBytes {
                unsafe Glibc.write(destination, $0.baseAddress.map { unsafe $0 + written }, count - written)
            }
            if step < 0, errno == EINTR { continue }
            guard step > 0 else { return false }
            written += step
        }
        return true
    }
}
