package import NIOCore

/// What accepts connections over some carrier, and pauses where the process is out of what each needs.
package final class Listener: Sendable {
    private let channels: [any Channel]

    /// Where it listens; a port of 0 that was asked for has become the real one.
    package let addresses: [SocketAddress]

    private init(channels: [any Channel]) {
        self.channels = channels
        addresses = channels.compactMap(\.localAddress)
    }

    /// The port, the same on every address; 0 where the carrier has none.
    package var port: Int { addresses.first?.port ?? 0 }

    /// Listens, and accepts from then on.
    ///
    /// `accept` sets up an accepted channel, on its event loop; a failure closes it. `report` is told, on any event loop,
    /// what happens.
    /// - Throws: the acceptor's error.
    package static func start(
        over acceptor: any Acceptor, group: any EventLoopGroup,
        report: @escaping @Sendable (ListenerEvent) -> Void = { _ in },
        accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> Listener {
        let channels = try await acceptor.listen(
            on: group,
            prepare: { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(AcceptPause(report: report), AcceptPace())
                }
            }, accept: accept)
        return Listener(channels: channels)
    }

    /// Accepts no more; what was accepted stays.
    package func close() async {
        for channel in channels {
            do {
                try await channel.close()
            } catch {
                continue  // it is closed already
            }
        }
    }
}
