internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization
internal import Transport
internal import Tunnel

/// Joins two file descriptors, standard input and output as a rule, to a friend's service.
package struct PipeService: Sendable {
    private let service: String
    private let connection: PeerConnection

    /// A join to the friend's service of that name.
    package init(to service: String, over connection: PeerConnection) {
        self.service = service
        self.connection = connection
    }

    /// Transfers until both sides have said all; the descriptors stay open.
    ///
    /// - Throws: ``StandardStreamFailure`` when the input could not be read to its end, or the output did not take
    ///   everything; ``HopFailure``, also when the stream ended in the middle.
    package func run(input: Int32, output: Int32) async throws {
        let pipes = try DescriptorPipes(input: input, output: output)
        let channel = try await NIOPipeBootstrap(group: connection.link.eventLoop)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { NodeLink.prepare($0) }
            .takingOwnershipOfDescriptors(input: pipes.input.near, output: pipes.output.near)
            .get()
        pipes.copy(for: channel)
        let result = await joined(channel)
        if case .success = result { await pipes.finish() }
        // What this process could not do comes before what became of the stream by it.
        if let failure = pipes.failure { throw failure }
        try result.get()
    }

    private func joined(_ channel: any Channel) async -> Result<Void, any Error> {
        let ending = SessionEnding(of: connection)
        do {
            return .success(
                try await connection.link.join(channel, to: .service(service), on: connection.session).get())
        } catch StreamFailure.truncated {
            // The session may have ended with it, for a reason that says more.
            let failure = await ending.failure
            return .failure(
                failure.map { HopFailure($0) } ?? HopFailure(StreamFailure.truncated, of: service))
        } catch let failure as StreamFailure {
            return .failure(HopFailure(failure, of: service))
        } catch is ChannelError {
            return .failure(HopFailure.connectionLost("the local side closed its end"))
        } catch {
            return .failure(error)
        }
    }
}

/// Why a session has ended, for whoever asks later.
private final class SessionEnding: Sendable {
    private let known = Mutex<SessionFailure?>(nil)
    private let eventLoop: any EventLoop

    /// From now on: who asks when the session is over does not hear why.
    init(of connection: PeerConnection) {
        eventLoop = connection.link.eventLoop
        connection.ended.whenSuccess { [self] failure in known.withLock { $0 = failure } }
    }

    /// Why it has ended, at the end of what the event loop is at now; `nil` where it stands.
    var failure: SessionFailure? {
        get async {
            try? await eventLoop.submit {}.get()
            return known.withLock(\.self)
        }
    }
}

/// Descriptors that an event loop can watch, in place of some that it cannot or should not.
///
/// A regular file cannot be watched; and watching needs O_NONBLOCK, which would hold for every process that shares a
/// terminal. So each side gets a pipe of its own, with a thread that copies.
private final class DescriptorPipes: Sendable {
    /// A descriptor of the process's edge, and the two ends of the pipe in its place.
    struct Side {
        let edge: Int32
        /// The end at the edge.
        let far: Int32
        /// The end at the event loop.
        let near: Int32
    }

    let input: Side
    let output: Side
    private let firstFailure = Mutex<StandardStreamFailure?>(nil)
    private let (outputCopied, continuation) = AsyncStream.makeStream(of: Never.self)

    init(input: Int32, output: Int32) throws {
        let (inward, outward) = (try Self.makePipe(), try Self.makePipe())
        self.input = Side(
            edge: try Self.copy(input, .input), far: inward.writeEnd, near: inward.readEnd)
        self.output = Side(
            edge: try Self.copy(output, .output), far: outward.readEnd, near: outward.writeEnd)
    }

    /// Why the input is not all there was, or why not everything was delivered.
    var failure: StandardStreamFailure? { firstFailure.withLock { $0 } }

    /// Starts the threads, each of which may stay in its last read until the process ends.
    func copy(for channel: any Channel) {
        DetachedThread.start { [self] in
            if !forward(from: input.edge, to: input.far, channel) {
                // An end now would be taken for the end of what there was to read.
                try? channel.closeFuture.wait()
            }
            close(input.far)
            close(input.edge)
        }
        DetachedThread.start { [self] in
            _ = forward(from: output.far, to: output.edge, channel)
            close(output.far)
            close(output.edge)
            continuation.finish()
        }
    }

    /// Returns when the last byte has reached the real output, or could not.
    func finish() async { for await _ in outputCopied {} }

    /// Copies bytes until the end, or an error that ends the channel in the middle.
    ///
    /// - Returns: whether nothing failed at the process's edge.
    private func forward(from source: Int32, to destination: Int32, _ channel: any Channel) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        do throws(StandardStreamFailure) {
            while true {
                let count = try StandardStream.read(source, into: &buffer)
                guard count > 0 else { return true }
                try StandardStream.write(buffer[..<count], to: destination)
            }
        } catch {
            // The channel closes its own end when the stream is over, which is nobody's failure here.
            guard source == input.edge ? error.stream == .input : error.stream == .output else { return true }
            firstFailure.withLock { $0 = $0 ?? error }
            channel.pipeline.fireErrorCaught(error)
            return false
        }
    }

    private static func makePipe() throws -> (readEnd: Int32, writeEnd: Int32) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw IOError(errnoCode: errno, reason: "pipe") }
        return (ends[0], ends[1])
    }

    /// A copy of a descriptor, which stays open in a thread's read when the original does not.
    private static func copy(
        _ descriptor: Int32, _ stream: StandardStreamFailure.Stream
    ) throws(StandardStreamFailure) -> Int32 {
        let copy = dup(descriptor)
        guard copy >= 0 else { throw StandardStreamFailure(stream, code: errno) }
        return copy
    }
}
