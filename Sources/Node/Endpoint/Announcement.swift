internal import Blinding
internal import Logging
internal import Multiserver
internal import MuxRPC
internal import Sodium
internal import Transport
internal import Tunnel

/// Keeps a portal told: once where the endpoint is open, with the newest tokens after each change where it is hidden.
struct Announcement: Sendable {
    /// The least time between two announcements; a portal takes one per second.
    static let interval = Duration.milliseconds(1_100)
    /// How long after midnight the tokens of a new day may be announced, drawn anew each time: the portal is not to
    /// see all endpoints of one person move at one moment.
    ///
    /// Source: protocol.md, section 3.
    private static let renewalSeconds: UInt64 = 6 * 3_600
    private static let secondsPerDay: UInt64 = 86_400

    let presence: PortalPresence
    let link: NodeLink

    /// Announces until the connection or the task is over.
    func run() async {
        if presence.place.isOpen {
            link.announce()
            let (board, portal) = (presence.board, presence.place.portal.key)
            for await view in await board.views() where await board.isAnnounced(at: portal) {
                await board.announced(view.sequence, at: portal)  // there is nothing more to say
            }
            return
        }
        let (signals, continuation) = AsyncStream.makeStream(
            of: Void.self, bufferingPolicy: .bufferingNewest(1))
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                for await _ in await presence.board.views() { continuation.yield() }
                continuation.finish()
            }
            tasks.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.timeToNextDay(now: WallClock.seconds()))
                    continuation.yield()
                }
            }
            await announce(at: signals)
            continuation.finish()
            tasks.cancelAll()
        }
    }

    /// From now to a random moment of the first hours of the next day.
    static func timeToNextDay(now: UInt64) -> Duration {
        let untilMidnight = secondsPerDay - now % secondsPerDay
        return .seconds(Int64(untilMidnight + UInt64.random(in: 0..<renewalSeconds)))
    }

    private func announce(at signals: AsyncStream<Void>) async {
        let (keyring, portal) = (presence.keyring, presence.place.portal.key)
        var last: Set<TokenEntry>?
        for await _ in signals {
            // Read first: what changes meanwhile is another signal.
            let sequence = await presence.board.view.sequence
            let epoch = Epoch(unixSeconds: WallClock.seconds())
            let entries = (try? await Blocking.run { keyring.entries(at: portal, on: epoch) }) ?? []
            if Task.isCancelled { return }
            guard Set(entries) != last else {
                await presence.board.announced(sequence, at: portal)
                continue
            }
            let nextTime = ContinuousClock.now + Self.interval
            do {
                try await link.announce(hidden: entries)
                if last == nil { await presence.announced() }
                last = Set(entries)
                await presence.board.announced(sequence, at: portal)
                presence.logger.info("announced, hidden", metadata: ["tokens": "\(entries.count)"])
            } catch {
                presence.logger.error(
                    "the portal did not take the announcement: the one before stays in force",
                    metadata: ["reason": "\((error as? RemoteError)?.message ?? "\(error)")"])
            }
            // A portal takes one per second; what changes meanwhile goes into the next.
            try? await Task.sleep(until: nextTime, clock: .continuous)
        }
    }
}
