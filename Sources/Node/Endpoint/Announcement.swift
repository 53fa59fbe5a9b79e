internal import Blinding
internal import Logging
internal import Multiserver
internal import MuxRPC
internal import Transport
internal import Tunnel
internal import TypedSodium

/// Keeps a portal told: once where the endpoint is open, with the newest tokens after each change where it is hidden.
struct Announcement: Sendable {
    /// The least time from a portal's answer to the next announcement; it takes one per second, which it counts from
    /// before the answer.
    static let interval = Duration.seconds(1)
    /// After how many refusals in a row the pause between two attempts grows no more.
    private static let refusalLimit = 60

    let stay: PortalStay

    private var announcer: PortalAnnouncer { stay.announcer }
    private var link: NodeLink { stay.connection.link }

    /// Announces until the connection or the task is over.
    func run() async {
        if announcer.place.isOpen {
            link.announce()
            let (state, portal) = (announcer.state, announcer.place.portal.key)
            for await view in await state.views() where await state.isAnnounced(at: portal) {
                await state.announced(view.sequence, at: portal)  // there is nothing more to say
            }
            return
        }
        let (signals, continuation) = AsyncStream.makeStream(
            of: Void.self, bufferingPolicy: .bufferingNewest(1))
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                for await _ in await announcer.state.views() { continuation.yield() }
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
        let (keyring, portal) = (announcer.keyring, announcer.place.portal.key)
        // Read first: what changes meanwhile is another signal.
        let sequence = await announcer.state.view.sequence
        let epoch = Epoch(unixSeconds: WallClock.seconds())
        let entries = (try? await Blocking.run { keyring.entries(at: portal, on: epoch) }) ?? []
        if Task.isCancelled || stay.isRetired { return true }
        guard Set(entries) != last else {
            await announcer.state.announced(sequence, at: portal)
            return true
        }
        do {
            try await link.announce(hidden: entries)
        } catch is SessionFailure, MuxRPCError.closed {
            // There is nothing to repeat: the announcer sees the connection's end, and dials again.
            return true
        } catch {
            announcer.troubles.say(
                .error,
                last == nil
                    ? "the portal did not take the announcement: nobody can come that way, and it is tried again"
                    : "the portal did not take the announcement: the one before stays in force",
                reason: ErrorWords.text(of: error))
            return false
        }
        if last == nil { await stay.announced() }
        last = Set(entries)
        await announcer.state.announced(sequence, at: portal)
        announcer.logger.info("announced, hidden", metadata: ["tokens": "\(entries.count)"])
        // What changes meanwhile goes into the next one.
        try? await Task.sleep(for: Self.interval)
        return true
    }
}

/// When a hidden node announces though nothing has changed: once in the first hours of each day.
///
/// Somebody asks again and again, rather than sleep until then: the clock may be set meanwhile, as it is on a small
/// computer that finds the time only after it has started, and the tokens of a day long past lead nowhere.
///
/// Source: docs/protocol.md, "Pair tokens".
package struct Renewal: Sendable {
    /// How often to ask.
    package static let interval = Duration.seconds(60)
    /// How long after midnight the tokens of a new day may be announced, drawn anew each time: the portal is not to
    /// see all endpoints of one person move at one moment.
    package static let spreadSeconds: UInt64 = 6 * 3_600
    private static let secondsPerDay: UInt64 = 86_400

    private var due: UInt64

    /// The one of the next day, in Unix seconds.
    package init(now: UInt64) {
        due = now - now % Self.secondsPerDay + Self.secondsPerDay + .random(in: 0..<Self.spreadSeconds)
    }

    /// Whether to announce now; the next time is then another day.
    ///
    /// Also after a clock that was set back so far that no token announced is one of today.
    package mutating func isDue(now: UInt64) -> Bool {
        guard now >= due || due - now > 2 * Self.secondsPerDay else { return false }
        self = Renewal(now: now)
        return true
    }
}
