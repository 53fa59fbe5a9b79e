internal import Connection
internal import Logging
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import Synchronization
internal import Transport
internal import Tunnel

/// One connection of an endpoint to a portal, from when it stands to its end.
struct PortalStay: Sendable {
    /// How often the portal is asked for the time while the clock is in doubt.
    private static let clockTime = Duration.seconds(600)

    /// How far the connection has come.
    private final class Progress: Sendable {
        let isAnnounced = Mutex(false)
        let isRetired = Mutex(false)
    }

    let announcer: PortalAnnouncer
    let connection: PortalDialling.Connection
    let number: Int
    let tell: @Sendable (PortalAnnouncer.Happening) -> Void
    private let progress = Progress()

    init(
        announcer: PortalAnnouncer, connection: PortalDialling.Connection, number: Int,
        tell: @escaping @Sendable (PortalAnnouncer.Happening) -> Void
    ) {
        self.announcer = announcer
        self.connection = connection
        self.number = number
        self.tell = tell
    }

    private var link: NodeLink { connection.link }
    private var place: EndpointView.Place { announcer.place }
    private var state: EndpointState { announcer.state }
    private var watch: NodeWatch { announcer.watch }
    private var logger: Logger { announcer.logger }
    private var troubles: TroubleLog { announcer.troubles }

    /// Serves until the connection is over, or the task is cancelled.
    func run() async -> Succession<Int>.End {
        await withTaskCancellationHandler {
            watch.reached(.connected, at: place, over: connection)
            let end = await stay()
            await link.close()
            watch.lost(link, at: place)
            return end
        } onCancel: {
            Task { await link.close() }
        }
    }

    /// Another connection is announced in the place of this one, which ends with its tunnels.
    func retire() {
        progress.isRetired.withLock { $0 = true }
        link.retire()
    }

    /// Whether another connection is announced in the place of this one, so that nothing is announced here any more.
    var isRetired: Bool { progress.isRetired.withLock(\.self) }

    private func stay() async -> Succession<Int>.End {
        await withTaskGroup(of: Void.self) { tasks in
            // First of all: what the portal is asked below it may leave unanswered, and bring calls meanwhile.
            tasks.addTask { await followPolicy() }
            tasks.addTask { await followClock() }
            tasks.addTask { await TrafficWarning(place: place, watch: watch, logger: logger).run(over: link) }
            if place.isOpen {
                tasks.addTask { _ = await manners }
            } else if await !suits(await manners) {
                tasks.cancelAll()
                await link.close()  // else a question that it never answers would keep the others
                return .unsuitable
            }
            tasks.addTask { await Announcement(stay: self).run() }
            tasks.addTask { await leave() }
            let end = await follow()
            tasks.cancelAll()
            return end
        }
    }

    private var manners: PortalManners {
        get async { await PortalManners(of: link, isOnBattery: announcer.settings.battery) }
    }

    /// Leaves a host that is none of the portal's any more, for another one.
    private func leave() async {
        for await view in await state.views() where !view.hosts(of: place).contains(connection.host) {
            logger.info(
                "this host of the portal was removed: dialling another one",
                metadata: ["host": "\(connection.host.net.hostAndPort)"])
            await link.close()
            return
        }
    }

    /// Whether the portal can do what a hidden endpoint needs: it has to know tokens.
    private func suits(_ manners: PortalManners) async -> Bool {
        if manners.has(.hiding) { return true }
        if let refusal = manners.refusal, BusyTime.isBusy(refusal.message) {
            // It has not said what it can do: the connection ends here, and is dialled again soon.
            troubles.say(
                .warning, "the portal is busy, which may be a limit: dialling again", reason: refusal.message)
            await link.close()
            return true
        }
        // A broken connection is dialled again.
        guard manners.hasAnswered else { return true }
        troubles.say(
            .error,
            "the portal cannot keep this node hidden: announce elsewhere, or openly with `cway portals open`")
        watch.failed(
            "the portal cannot keep this node hidden: announce elsewhere, or openly there", at: place)
        return false
    }

    /// Gives the connection each new policy at once, whatever the announcing waits for.
    private func followPolicy() async {
        for await view in await state.views() {
            await link.update(policy: view.policy, services: view.targets.mapValues(\.connector))
        }
    }

    /// Asks the portal for the time whenever the clock is in doubt: it may be set while the connection stands.
    private func followClock() async {
        guard let keyring = announcer.keyring.keyring else { return }
        let check = ClockCheck(keyring: keyring, troubles: troubles)
        while !Task.isCancelled {
            await check.run(over: link)
            try? await Task.sleep(for: Self.clockTime)
        }
    }

    private func follow() async -> Succession<Int>.End {
        let questions = EndpointAnswers(
            link: link, keyring: announcer.keyring, state: state, logger: logger)
        var wasReplaced = false
        await connection.events.forEach { event, leftOutCount in
            if leftOutCount > 0 {
                logger.warning("events were left out of the log", metadata: ["count": "\(leftOutCount)"])
            }
            switch event {
            case .announced:
                await state.announced(state.view.sequence, at: place.portal.key)
                await announced()
            case .announcementEnded(let error): wasReplaced = await announcementEnded(error)
            case .fellSilent: tell(.wished(.silence, by: number))
            case .moveAsked: tell(.wished(.move, by: number))
            case .asked(let question):
                Task { await questions.answer(question) }
            default:
                EndpointLog(logger: logger, view: await state.view).note(event)
                watch.note(event)
                questions.noteVisit(event)
            }
        }
        let failure = (try? await link.ended.get()) ?? nil
        if let failure, !Task.isCancelled {
            troubles.say(.warning, "the connection is over", reason: "\(failure)")
            watch.failed("the connection is over: \(failure)", at: place)
        }
        return wasReplaced ? .replaced : .lost(wasAnnounced: progress.isAnnounced.withLock(\.self))
    }

    /// The portal ended the announcement; whether for another one of this identity.
    ///
    /// Only that is made way for. A portal that ends an announcement for another reason, such as a changed policy, is
    /// dialled again: it may take the next.
    private func announcementEnded(_ error: RemoteError) async -> Bool {
        announcer.accounts.counters.note(.announcementEnded)
        let wasReplaced =
            error.message == ErrorText.announcedElsewhere && progress.isAnnounced.withLock(\.self)
        if !wasReplaced {
            troubles.say(.error, "the portal ended the announcement", reason: error.message)
            watch.failed("the portal ended the announcement: \(error.message)", at: place)
        }
        await link.close()
        return wasReplaced
    }

    /// Tells the owner that friends can come.
    func announced() async {
        progress.isAnnounced.withLock { $0 = true }
        troubles.end()
        announcer.accounts.counters.note(.announced)
        announcer.accounts.counters.note(place.portal.key, isAttached: true)
        watch.reached(.announced, at: place, over: connection)
        tell(.announced(number))
        do {
            try await announcer.isAnnounced(place)
        } catch {
            logger.error("the address cannot be printed", metadata: ["error": "\(error)"])
        }
    }
}
