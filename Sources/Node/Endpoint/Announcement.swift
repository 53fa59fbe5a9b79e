internal import Blinding
internal import Logging
internal import Multiserver
internal import MuxRPC
internal import Sodium
internal import Transport
internal import Tunnel

/// Keeps a portal told: once where the endpoint is open, with the newest tokens after each change where it is hidden.
struct Announcement: Sendable {
    /// The least time from a portal's answer to the next announcement; it takes one per second, which it counts from
    /// before the answer.
    static let interval = Duration.seconds(1)
    /// After how many refusals in a row the pause between two attempts grows no more.
    private static let refusalLimit = 60

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
                var renewal = Renewal(now: WallClock.seconds())
                while !Task.isCancelled {
                    try? await Task.sleep(for: Renewal.interval)
                    if renewal.isDue(now: WallClock.seconds()) { continuation.yield() }
                }
            }
            await announce(at: signals)
            continuation.finish()
            tasks.cancelAll()
        }
    }

    private func announce(at signals: AsyncStream<Void>) async {
        var last: Set<TokenEntry>?
        for await _ in signals {
            var refusals = 0
            while !Task.isCancelled, await !announce(&last) {
                // What was refused may be taken later, and until then friends who are new wait in vain.
                refusals = min(refusals + 1, Self.refusalLimit)
                try? await Task.sleep(for: Self.interval * refusals)
            }
        }
    }

    /// Announces what the keyring says now, unless the portal has it; false where it was refused.
    private func announce(_ last: inout Set<TokenEntry>?) async -> Bool {
        let (keyring, portal) = (presence.keyring, presence.place.portal.key)
        // Read first: what changes meanwhile is another signal.
        let sequence = await presence.board.view.sequence
        let epoch = Epoch(unixSeconds: WallClock.seconds())
        let entries = (try? await Blocking.run { keyring.entries(at: portal, on: epoch) }) ?? []
        if Task.isCancelled { return true }
        guard Set(entries) != last else {
            await presence.board.announced(sequence, at: portal)
            return true
        }
        do {
            try await link.announce(hidden: entries)
        } catch is SessionFailure, MuxRPCError.closed {
            // There is nothing to repeat: the presence sees the connection's end, and dials again.
            return true
        } catch {
            presence.troubles.say(
                .error,
                last == nil
                    ? "the portal did not take the announcement: nobody can come that way, and it is tried again"
                    : "the portal did not take the announcement: the one before stays in force",
                reason: ErrorWords.text(of: error))
            return false
        }
        if last == nil { await presence.announced() }
        last = Set(entries)
        await presence.board.announced(sequence, at: portal)
        presence.logger.info("announced, hidden", metadata: ["tokens": "\(entries.count)"])
        // What changes meanwhile goes into the next one.
        try? await Task.sleep(for: Self.interval)
        return true
    }
}
