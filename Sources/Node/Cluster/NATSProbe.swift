internal import MuxRPC
internal import Multiserver
package import NIOCore
internal import NIOPosix

/// What a NATS server says of itself to whoever connects, in the one line that it begins with.
///
/// libnats does not tell a server's version, so it is read here, by a connection of its own that sends nothing.
///
/// Source: docs.nats.io, "Client protocol", INFO.
package struct NATSGreeting: Equatable, Sendable {
    /// The longest line that is read, in bytes.
    static let byteCountLimit = 64 << 10
    /// How long the line may take.
    private static let patience = TimeAmount.seconds(3)

    /// The version, as the server writes it.
    package let version: String
    /// Whether it has JetStream; an account may still have none.
    package let hasStreams: Bool

    /// Reads a line; `nil` where it is none of NATS.
    package init?(_ line: String) {
        guard line.hasPrefix("INFO ") else { return nil }
        var parser = JSONParser()
        let bytes = Array(line.dropFirst(5).utf8)
        guard let info = try? parser.document(bytes.span), let version = info["version"]?.string,
            version.utf8.count <= 64
        else { return nil }
        self.version = version
        hasStreams = info["jetstream"] == .bool(true)
    }

    /// Whether holes are known in this version: all before 2.11.16, and of 2.12 those before 2.12.7.
    package var hasKnownHoles: Bool {
        let parts = version.split(separator: ".").map { part in Int(part.prefix { $0.isNumber }) ?? 0 }
        guard parts.count >= 3 else { return false }
        let (major, minor, patch) = (parts[0], parts[1], parts[2])
        guard major == 2 else { return major < 2 }
        return minor < 11 || (minor == 11 && patch < 16) || (minor == 12 && patch < 7)
    }

    /// Asks a server.
    ///
    /// - Throws: the system's error, or ``NATSProbeError``.
    package static func read(from server: ClusterServer, on loop: any EventLoop) async throws -> NATSGreeting
    {
        let promise = loop.makePromise(of: String.self)
        let timer = loop.scheduleTask(in: patience) { promise.fail(NATSProbeError.silent) }
        do {
            let channel = try await ClientBootstrap(group: loop).connectTimeout(patience)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(GreetingReader(promise))
                    }
                }
                .connect(host: server.address.host, port: Int(server.address.port)).get()
            promise.futureResult.whenComplete { _ in
                timer.cancel()
                channel.close(promise: nil)
            }
        } catch {
            timer.cancel()
            promise.fail(error)
        }
        guard let greeting = NATSGreeting(try await promise.futureResult.get()) else {
            throw NATSProbeError.noNATS
        }
        return greeting
    }
}

/// Why a server has not said what it is.
package enum NATSProbeError: Error, Equatable, Sendable {
    /// It says nothing.
    case silent
    /// It says something else than NATS does.
    case noNATS
}

extension NATSProbeError: CustomStringConvertible {
    /// The cause in a few words.
    package var description: String {
        switch self {
        case .silent: "it accepts connections and says nothing"
        case .noNATS: "it is no NATS server"
        }
    }
}

/// Reads up to the end of the first line.
private final class GreetingReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let promise: EventLoopPromise<String>
    private var read = ByteBuffer()

    init(_ promise: EventLoopPromise<String>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        guard read.readableBytes + bytes.readableBytes <= NATSGreeting.byteCountLimit else {
            return promise.fail(NATSProbeError.noNATS)
        }
        read.writeBuffer(&bytes)
        let view = read.readableBytesView
        guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else { return }
        promise.succeed(String(decoding: view[..<end], as: UTF8.self))
    }

    func channelInactive(context: ChannelHandlerContext) { promise.fail(NATSProbeError.silent) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error)
        context.close(promise: nil)
    }
}

@available(*, unavailable)
extension GreetingReader: Sendable {}
