import Account
import Foundation
import Multiserver
import NIOCore
import NIOPosix
import PortalCore
import SecretHandshake
import Testing
import Transport
import TypedSodium

@testable import Tunnel

/// An endpoint whose service reads nothing, at a portal that is reached over a Unix domain socket: no carrier but TCP is
/// used by the programs, and none would cost more than this.
@Suite("What a service has not taken")
struct LingeringEndTests {
    private static let network = NetworkIdentifier(FixedBytes<32>())

    /// Sends a window's bytes and nothing else.
    private final class Sender: StreamEnd {
        init(_ handle: StreamHandle) {
            _ = handle.send(ByteBuffer(repeating: 7, count: Credit.initialByteCount))
            handle.sendEnd()
        }

        func receive(_ bytes: ByteBuffer) {}
        func receiveEnd() {}
        func resume() {}
        func close(_ failure: StreamFailure?) {}
    }

    /// Ends its side at once, and reads nothing.
    private final class DeafEnd: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        func channelActive(context: ChannelHandlerContext) { context.close(mode: .output, promise: nil) }
    }

    private static func path() -> String {
        let name = "cway-\(UInt64.random(in: 0 ... .max)).sock"
        return FileManager.default.temporaryDirectory.appending(path: name).path
    }

    private static func configuration(
        _ reception: NodeConnection.Reception = .none, _ accounts: EndpointAccounts = EndpointAccounts()
    ) throws -> NodeConnection.Configuration {
        var configuration = NodeConnection.Configuration(
            identity: try .random(), network: network, reception: reception, wallClock: { 0 })
        configuration.accounts = accounts
        return configuration
    }

    @Test("gives way also when the connection to the portal is over", .timeLimit(.minutes(1)))
    func givesWay() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let portal = Portal(
            identity: try .random(), network: Self.network, settings: PortalSettings(name: "a portal") { 0 })
        let (portalPath, servicePath) = (Self.path(), Self.path())
        let server = try await PortalServer.start(portal, over: UnixAcceptor(path: portalPath), group: group)
        let (gone, goneCounter) = AsyncStream.makeStream(of: Void.self)
        let (parted, partedCounter) = AsyncStream.makeStream(of: Void.self)
        let service = try await ServerBootstrap(group: group)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DeafEnd())
                }
            }
            .bind(unixDomainSocketPath: servicePath).get()

        let accounts = EndpointAccounts()
        let (events, report) = AsyncStream.makeStream(of: NodeLinkEvent.self)
        let policy = EndpointPolicy(services: ["deaf"], access: .anyone)
        let answering = try Self.configuration(.open(policy), accounts)
        let endpoint = try await NodeLink.dial(
            portal.identity.publicKey, over: Counted(UnixConnector(path: portalPath), partedCounter),
            showing: answering.identity,
            configuration: answering,
            services: [ServiceName("deaf"): Counted(UnixConnector(path: servicePath), goneCounter)],
            on: group.next()
        ) { report.yield($0) }
        endpoint.announce()
        for await event in events { if case .announced = event { break } }

        let calling = try Self.configuration()
        let client = try await NodeLink.dial(
            portal.identity.publicKey, over: UnixConnector(path: portalPath), showing: calling.identity,
            configuration: calling, on: group.next())
        let session = try await client.openTunnel(to: answering.identity.publicKey)
        try await client.open(.service("deaf"), on: session) { Sender($0) }
        for await event in events {
            guard case .serviceClosed(_, _, _, let received, let failure) = event else { continue }
            #expect(failure == nil && received == Credit.initialByteCount)
            break
        }
        await client.close()
        await endpoint.close()
        // The end of the session is not yet that of the channel.
        for await _ in parted { break }
        try await endpoint.eventLoop.submit {}.get()
        #expect(accounts.heldByteCount > 16 << 10, "the socket has not taken all")

        // Nothing else is left, and somebody who has less needs a little.
        let payer = accounts.payer(for: .friend(calling.identity.publicKey, invite: nil)).open()
        let rest = accounts.payer(for: .called(portal.identity.publicKey)).bytes
            .overdraw(accounts.limits.bytes - accounts.heldByteCount - 4096)
        let place = SessionPlace(connection: accounts.makeConnectionNumber(), session: .outer)
        let asking = accounts.holdings.openSession(place, paidBy: payer, at: payer.bytes, givesWay: true)
        guard case .after(let displaced) = asking.makeRoom(for: 12 << 10) else {
            Issue.record("nobody gives way")
            return
        }
        #expect(displaced.count == 1)
        for one in displaced { accounts.tell(one) }
        for await _ in gone { break }
        withExtendedLifetime(rest) {}
        try await service.close()
        await server.close()
        try await group.shutdownGracefully()
    }
}

/// Counts the channels that are gone again.
private struct Counted: Connector {
    let connector: any Connector
    let gone: AsyncStream<Void>.Continuation

    init(_ connector: any Connector, _ gone: AsyncStream<Void>.Continuation) {
        (self.connector, self.gone) = (connector, gone)
    }

    func connect(
        on eventLoop: any EventLoop,
        prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        connector.connect(on: eventLoop) { [gone] channel in
            channel.closeFuture.whenComplete { _ in gone.yield() }
            return prepare(channel)
        }
    }
}
