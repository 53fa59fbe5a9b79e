package import NIOCore
internal import Synchronization

/// What accepts connections over some carrier, and pauses where the process is out of what each needs.
///
/// An accepted connection stays on the loop that has accepted it. Where an address has a channel on each of several loops,
/// one of them accepts at a time: ``LoopPlacement`` says which.
package final class Listener: Sendable {
    private let channels: [any Channel]

    /// Where it listens; a port of 0 that was asked for has become the real one.
    package let addresses: [SocketAddress]

    private init(channels: [any Channel]) {
        self.channels = channels
        var addresses: [SocketAddress] = []
        for address in channels.compactMap(\.localAddress) where !addresses.contains(address) {
            addresses.append(address)
        }
        self.addresses = addresses
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
        let loops = AcceptingLoops(Array(group.makeIterator()))
        let channels = try await acceptor.listen(
            on: group,
            prepare: { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(AcceptPause(report: report), AcceptPace())
                }
            },
            accept: { channel in
                loops.joined(channel)
                return accept(channel)
            })
        loops.begin(with: channels)
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

/// The loops that accept, one at a time.
private final class AcceptingLoops: Sendable {
    private struct State {
        var placement: LoopPlacement
        /// What listens, where an address has a channel on each loop.
        var channels: [any Channel] = []
    }

    private let loops: [any EventLoop]
    private let state: Mutex<State>

    init(_ loops: [any EventLoop]) {
        self.loops = loops
        state = Mutex(State(placement: LoopPlacement(loopCount: loops.count)))
    }

    /// Has the first loop accept.
    func begin(with channels: [any Channel]) {
        state.withLock { $0.channels = channels }
        turn(channels)
    }

    /// A channel was accepted; its loop may be the last one's for a while.
    func joined(_ channel: any Channel) {
        guard let index = loops.firstIndex(where: { $0 === channel.eventLoop }) else { return }
        let now = NIODeadline.now()
        let (isOther, channels) = state.withLock { state in
            let before = state.placement.current
            state.placement.joined(index) { LoopLoads.shared.share(of: loops[$0], at: now) }
            return (before != state.placement.current, state.channels)
        }
        channel.closeFuture.whenComplete { [self] _ in state.withLock { $0.placement.left(index) } }
        if isOther { turn(channels) }
    }

    /// Has the channels of the present loop accept, and no others.
    ///
    /// Each looks when it gets to it which loop that is: of two changes at once, the words for one could come to a loop
    /// behind those for the other, and in the end none would accept.
    private func turn(_ channels: [any Channel]) {
        for channel in channels {
            let isAlone = channels.count { $0.localAddress == channel.localAddress } == 1
            channel.eventLoop.execute { [self] in
                let present = state.withLock { $0.placement.current }
                // It fails where the listener is closed, and then there is nothing to be switched.
                try? channel.pipeline.syncOperations.handler(type: AcceptPause.self).isWanted =
                    isAlone || channel.eventLoop === loops[present]
            }
        }
    }
}
