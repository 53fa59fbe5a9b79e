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
///
/// A loop stops before the next one begins: two that wait for one socket are both woken by a connection, and the one that
/// finds it taken has been woken in vain, which NIO takes for a fault.
private final class AcceptingLoops: Sendable {
    private struct State {
        var placement: LoopPlacement
        /// What listens, where an address has a channel on each loop.
        var channels: [any Channel] = []
        /// The loop that accepts.
        var accepting = 0
        /// Whether it hands over to another.
        var isChanging = false
    }

    private let loops: [any EventLoop]
    private let state: Mutex<State>

    init(_ loops: [any EventLoop]) {
        self.loops = loops
        state = Mutex(State(placement: LoopPlacement(loopCount: loops.count)))
    }

    /// Has the first loop accept, and where an address has one channel, that.
    func begin(with channels: [any Channel]) {
        state.withLock { $0.channels = channels }
        for channel in channels {
            let isAlone = channels.count { $0.localAddress == channel.localAddress } == 1
            if isAlone { channel.eventLoop.execute { Self.set(true, on: [channel]) } }
        }
        let first = self.channels(on: 0)
        loops[0].execute { Self.set(true, on: first) }
    }

    /// A channel was accepted; its loop may be the last one's for a while.
    func joined(_ channel: any Channel) {
        guard let index = loops.firstIndex(where: { $0 === channel.eventLoop }) else { return }
        let now = NIODeadline.now()
        state.withLock { state in
            state.placement.joined(index) { LoopLoads.shared.share(of: loops[$0], at: now) }
        }
        channel.closeFuture.whenComplete { [self] _ in state.withLock { $0.placement.left(index) } }
        change()
    }

    /// Has the loop that accepts hand over to the one that is to, unless it does already.
    private func change() {
        let former = state.withLock { state -> Int? in
            guard !state.isChanging, state.accepting != state.placement.current else { return nil }
            state.isChanging = true
            return state.accepting
        }
        guard let former else { return }
        let ending = channels(on: former)
        loops[former].execute { [self] in
            Self.set(false, on: ending)
            let next = state.withLock { state in
                state.accepting = state.placement.current
                return state.accepting
            }
            let beginning = self.channels(on: next)
            loops[next].execute { [self] in
                Self.set(true, on: beginning)
                state.withLock { $0.isChanging = false }
                // The one that is to may be another by now.
                change()
            }
        }
    }

    /// The channels of a loop whose addresses have one on each.
    private func channels(on loop: Int) -> [any Channel] {
        let channels = state.withLock(\.channels)
        return channels.filter { channel in
            channel.eventLoop === loops[loop]
                && channels.count { $0.localAddress == channel.localAddress } > 1
        }
    }

    /// Has channels accept, or no more; on their loop.
    private static func set(_ isWanted: Bool, on channels: [any Channel]) {
        for channel in channels {
            // It fails where the listener is closed, and then there is nothing to be switched.
            try? channel.pipeline.syncOperations.handler(type: AcceptPause.self).isWanted = isWanted
        }
    }
}
