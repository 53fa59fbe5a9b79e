package import Multiserver
package import NIOCore
package import NIOPosix
package import Tunnel

/// Where the channel to one peer or service comes from; another carrier is another connector.
package protocol Connector: Sendable {
    /// Connects, on the loop.
    ///
    /// `prepare` sets each channel up before it is connected: a name with several addresses has one for each that is
    /// tried. Where `prepare` fails, so does that channel.
    func connect(
        on eventLoop: any EventLoop,
        prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel>
}

/// Dials a host and a port.
package struct TCPConnector: Connector {
    private enum Use {
        /// A portal or peer.
        case network(namedBy: AddressAuthor)
        /// A program on this machine or near it, which only the system can notice to be gone.
        case service
    }

    private let host: String
    private let port: UInt16
    private let use: Use
    private let resolver: (any Resolver & Sendable)?
    /// Where the host's name leads, where that was looked up before.
    private var addresses: [SocketAddress] = []

    private init(host: String, port: UInt16, use: Use, resolver: (any Resolver & Sendable)?) {
        (self.host, self.port, self.use, self.resolver) = (host, port, use, resolver)
    }

    /// To a portal or peer, at those addresses of its name that are known; where the address is not the owner's word, no
    /// address of this machine or its links is dialled.
    package init(
        _ address: NetAddress, at addresses: [SocketAddress] = [], namedBy author: AddressAuthor = .owner
    ) {
        self.init(host: address.host, port: address.port, use: .network(namedBy: author), resolver: nil)
        self.addresses = addresses
    }

    /// To a service.
    package static func service(
        host: String, port: UInt16, resolver: (any Resolver & Sendable)? = nil
    ) -> TCPConnector {
        TCPConnector(host: host, port: port, use: .service, resolver: resolver)
    }

    package func connect(
        on eventLoop: any EventLoop,
        prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        let known = addresses.isEmpty ? resolver : KnownAddresses(addresses, on: eventLoop)
        let bootstrap = ClientBootstrap(group: eventLoop).resolver(known)
        switch use {
        case .service:
            return bootstrap.commonOptions(preparedBy: prepare).serviceOptions()
                .connect(host: host, port: Int(port))
        case .network(let author):
            let prepared = bootstrap.commonOptions { channel in
                guard author == .others else { return prepare(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LocalAddressGuard())
                }.flatMap { prepare(channel) }
            }
            return prepared.networkOptions().connect(host: host, port: Int(port)).map { channel in
                ChannelSettings.boundOnShortPath(channel)
                return channel
            }
        }
    }
}

/// Dials a Unix domain socket.
package struct UnixConnector: Connector {
    private let path: String

    package init(path: String) { self.path = path }

    package func connect(
        on eventLoop: any EventLoop,
        prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        ClientBootstrap(group: eventLoop).commonOptions(preparedBy: prepare)
            .connect(unixDomainSocketPath: path)
    }
}

extension ClientBootstrap {
    /// How long the carrier may take to connect.
    fileprivate static let connectTime = TimeAmount.seconds(10)

    fileprivate func commonOptions(
        preparedBy prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> ClientBootstrap {
        companionwayOptions().connectTimeout(Self.connectTime).channelInitializer(prepare)
    }
}

/// Lets a channel connect to addresses only that somebody else may name.
///
/// It sees the very address that is about to be dialled: a name that resolves to two, or to another one the next time,
/// gets nothing past it.
private final class LocalAddressGuard: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func connect(context: ChannelHandlerContext, to address: SocketAddress, promise: EventLoopPromise<Void>?)
    {
        guard let kind = LocalAddressKind(address) else {
            return context.connect(to: address, promise: promise)
        }
        promise?.fail(LocalAddressError(kind: kind, address: address.ipAddress ?? "\(address)"))
        context.close(promise: nil)
    }
}

@available(*, unavailable)
extension LocalAddressGuard: Sendable {}
