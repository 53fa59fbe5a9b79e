internal import Hummingbird
internal import HummingbirdCore
package import Logging
package import NIOCore
internal import ServiceLifecycle

/// A small web server for those who watch a daemon: what it takes of anybody is bounded.
///
/// | what | how much | then |
/// |---|---|---|
/// | connections | 64 | the next ones wait with the system |
/// | a request's head | 16 KiB, 64 fields of at most 8 KiB | it is refused |
/// | a request, and the pause between two | 10 s | the connection is closed |
package struct WatchServer: Sendable {
    /// Where it listens.
    package enum Place: Equatable, Sendable {
        /// At an address of this machine, or at all of them for `nil`; port 0 is any free one.
        case host(String?, port: Int)
        /// At a socket in the file system, which its user and group may use.
        case unix(path: String)
    }

    /// It could not begin to listen.
    package struct Failure: Error {
        /// What it was to serve, like "the metrics".
        package let subject: String
        /// Where.
        package let place: String
        /// Why not.
        package let cause: any Error
    }

    static let connectionLimit = 64
    private static let (headByteCount, fieldByteCount, fieldCount) = (16 << 10, 8 << 10, 64)
    /// How long a request may take to come, and nothing may come between two.
    static let requestTime = Duration.seconds(10)

    private let subject: String
    private let place: Place
    private let group: any EventLoopGroup
    private let logger: Logger

    /// A server of a subject, like "the metrics", at a place.
    package init(_ subject: String, at place: Place, group: any EventLoopGroup, logger: Logger) {
        (self.subject, self.place, self.group, self.logger) = (subject, place, group, logger)
    }

    /// Which names a browser may call it by.
    var hostRule: HostRule {
        switch place {
        case .host(let host, _): HostRule(listeningAt: host)
        case .unix: HostRule(listeningAt: "localhost")
        }
    }

    /// Answers until the task's services shut down.
    ///
    /// - Throws: ``Failure`` where it cannot listen.
    func run(_ respond: @escaping @Sendable (Request) async -> Response) async throws {
        // Hummingbird's words are for its authors.
        var quiet = Logger(label: "cway.watch")
        quiet.logLevel = .critical
        let responder = CallbackResponder<BasicRequestContext> { request, _ in
            let response = await respond(request)
            return request.method == .head ? response.createHeadResponse() : response
        }
        let application = Application(
            responder: responder,
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    idleTimeout: TimeAmount(Self.requestTime),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: Self.fieldByteCount, maxHeaderListSize: Self.headByteCount,
                        maxHeaderFieldCount: Self.fieldCount))),
            configuration: ApplicationConfiguration(
                address: address, backlog: Self.connectionLimit,
                availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionLimit, logger: quiet)
            ),
            onServerRunning: { [self] in noteRunning(at: $0.localAddress) },
            eventLoopGroupProvider: .shared(group), logger: quiet)
        do {
            try await application.run()
        } catch is CancellationError {
            return
        } catch {
            throw Failure(subject: subject, place: name(of: nil), cause: error)
        }
    }

    private func noteRunning(at address: SocketAddress?) {
        if case .unix(let path) = place { SocketFile.open(path) }
        logger.notice("serving \(subject)", metadata: ["address": "\(name(of: address))"])
    }

    private var address: BindAddress {
        switch place {
        case .host(nil, let port): .hostname("::", port: port)
        case .host("localhost"?, let port): .hostname("127.0.0.1", port: port)
        case .host(let host?, let port): .hostname(host, port: port)
        case .unix(let path): .unixDomainSocket(path: path)
        }
    }

    /// For people, with the port as it came out.
    private func name(of address: SocketAddress?) -> String {
        switch place {
        case .host(let host, let port):
            let name = host ?? "*"
            return "\(name.contains(":") ? "[\(name)]" : name):\(address?.port ?? port)"
        case .unix(let path): return "unix:\(path)"
        }
    }
}

extension WatchServer.Failure: CustomStringConvertible {
    /// What failed, for people; who knows the system's reasons adds them.
    package var description: String { "\(subject) cannot be served at \(place)" }
}
