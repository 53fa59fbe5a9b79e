internal import Blinding
internal import Connection
internal import Logging
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import PortalCore
internal import SecretHandshake
internal import Transport
internal import Tunnel
internal import TypedSodium

/// An endpoint's stay at one portal: it dials, announces, serves, and dials again, until its task is cancelled.
struct PortalAnnouncer: Sendable {
    /// How long to stay away after another node with this identity has announced itself.
    ///
    /// Two nodes with one identity would else throw each other out for ever.
    private static let conflictPause = Duration.seconds(60)
    /// How long to stay away from a portal that cannot keep this endpoint hidden: its operator has to update it.
    private static let unsuitableTime = Duration.seconds(60)
    /// How often the portal is asked for the time while the clock is in doubt.
    private static let clockTime = Duration.seconds(600)
    /// After how long without another node of this identity its next appearance is news.
    private static let peaceTime = Duration.seconds(600)

    let place: EndpointView.Place
    let identity: Identity
    let settings: Settings
    let state: EndpointState
    let keyring: EndpointKeyring
    let accounts: EndpointAccounts
    let watch: NodeWatch
    let group: any EventLoopGroup
    let logger: Logger
    /// What keeps it from being announced.
    let troubles: TroubleLog
    let isAnnounced: @Sendable (EndpointView.Place) async throws -> Void

    private enum Outcome {
        case replaced
        case unsuitable
        case ended(wasAnnounced: Bool)
    }

    private var portal: PeerAddress { place.portal }

    /// Stays until the task is cancelled.
    func run() async {
        var backoff = Backoff()
        var dialling = PortalDialling()
        // Apart from the others: each of the two is announced in turn, which ends nothing.
        let conflicts = TroubleLog(logger)
        while !Task.isCancelled {
            let start = ContinuousClock.now
            watch.reached(.dialling, at: place)
            let outcome = await stayOnce(&dialling)
            watch.reached(.away, at: place)
            if Task.isCancelled { break }
            let pause: Duration
            switch outcome {
            case .replaced:
                watch.failed("this identity has announced itself elsewhere", at: place)
                if ContinuousClock.now - start > Self.peaceTime { conflicts.end() }
                conflicts.say(
                    .warning, "this identity has announced itself elsewhere: staying away for a minute")
                pause = Self.conflictPause
            case .unsuitable:
                pause = Self.unsuitableTime
            case .ended(let wasAnnounced):
                if wasAnnounced { backoff.succeeded() }
                pause = .nanoseconds(backoff.failed(at: .now(), fraction: .random(in: 0..<1)).nanoseconds)
            }
            logger.debug("dialling again", metadata: ["after": "\(pause)"])
            // Cancelled when the endpoint stops: the loop's condition sees to the rest.
            try? await Task.sleep(for: pause)
        }
    }

    // MARK: One connection

    /// One connection, from dialling to its end.
    private func stayOnce(_ dialling: inout PortalDialling) async -> Outcome {
        let connection: PortalDialling.Connection
        do {
            let view = await state.view
            let shown =
                place.isOpen ? identity : try Pseudonym.identity(of: identity, at: PortalKey(portal.key))
            let configuration = configuration(view.policy)
            let loop = group.next()
            connection = try await dialling.dial(view.hosts(of: place)) { host, events in
                try await NodeLink.dial(
                    host.key, over: TCPConnector(host.net), showing: shown, configuration: configuration,
                    services: view.targets.mapValues(\.connector), on: loop
                ) { events.post($0) }
            }
        } catch {
            let failure = HopFailure(error)
            // Nothing comes of waiting, unlike with a portal that is away.
            let level: Logger.Level =
                if case .outerHandshakeRefused(_, answered: true) = failure { .error } else { .warning }
            accounts.counters.note(.notDialled)
            troubles.say(level, "no connection to the portal", reason: "\(failure)")
            watch.failed("\(failure)", at: place)
            return .ended(wasAnnounced: false)
        }
        let (link, events) = (connection.link, connection.events)
        link.ended.whenComplete { _ in events.finish() }
        accounts.counters.note(.dialled)
        watch.reached(.connected, at: place, link: link)
        return await withTaskCancellationHandler {
            let outcome = await stay(on: connection)
            await state.left(portal.key)
            accounts.counters.note(portal.key, isAttached: false)
            await link.close()
            return outcome
        } onCancel: {
            Task { await link.close() }
        }
    }

    private func stay(on connection: PortalDialling.Connection) async -> Outcome {
        let link = connection.link
        return await withTaskGroup(of: Void.self) { tasks in
            // First of all: what the portal is asked below it may leave unanswered, and bring calls meanwhile.
            tasks.addTask { await followPolicy(on: link) }
            tasks.addTask { await followClock(over: link) }
            tasks.addTask { await TrafficWarning(place: place, watch: watch, logger: logger).run(over: link) }
            guard await suits(link) else {
                tasks.cancelAll()
                await link.close()  // else a question that it never answers would keep the others
                return .unsuitable
            }
            tasks.addTask { await Announcement(announcer: self, link: link).run() }
            tasks.addTask { await leave(connection) }
            let outcome = await follow(connection.events, of: link)
            tasks.cancelAll()
            return outcome
        }
    }

    /// Leaves a host that is none of the portal's any more, for another one.
    private func leave(_ connection: PortalDialling.Connection) async {
        for await view in await state.views() where !view.hosts(of: place).contains(connection.host) {
            logger.info(
                "this host of the portal was removed: dialling another one",
                metadata: ["host": "\(connection.host.net.hostAndPort)"])
            await connection.link.close()
            return
        }
    }

    /// Whether the portal can do what this endpoint needs; a hidden one needs a portal that knows tokens.
    private func suits(_ link: NodeLink) async -> Bool {
        guard !place.isOpen else { return true }
        // A broken connection is dialled again.
        guard let reply = try? await link.call(Method.metadata.name) else { return true }
        if case .value(let json) = reply, let features = json["features"]?.array,
            features.contains(.string(Feature.hiding.rawValue))
        {
            return true
        }
        if case .failure(let error) = reply, BusyTime.isBusy(error.message) {
            // It has not said what it can do: the connection ends here, and is dialled again soon.
            troubles.say(
                .warning, "the portal is busy, which may be a limit: dialling again", reason: error.message)
            await link.close()
            return true
        }
        troubles.say(
            .error,
            "the portal cannot keep this node hidden: announce elsewhere, or openly with `cway portals open`")
        watch.failed(
            "the portal cannot keep this node hidden: announce elsewhere, or openly there", at: place)
        return false
    }

    /// Gives the connection each new policy at once, whatever the announcing waits for.
    private func followPolicy(on link: NodeLink) async {
        for await view in await state.views() {
            await link.update(policy: view.policy, services: view.targets.mapValues(\.connector))
        }
    }

    /// Asks the portal for the time whenever the clock is in doubt: it may be set while the connection stands.
    private func followClock(over link: NodeLink) async {
        guard let keyring = keyring.keyring else { return }
        let check = ClockCheck(keyring: keyring, troubles: troubles)
        while !Task.isCancelled {
            await check.run(over: link)
            try? await Task.sleep(for: Self.clockTime)
        }
    }

    private func follow(_ events: LinkEvents, of link: NodeLink) async -> Outcome {
        let questions = EndpointAnswers(link: link, keyring: keyring, state: state, logger: logger)
        var wasReplaced = false
        await events.forEach { event, leftOutCount in
            if leftOutCount > 0 {
                logger.warning("events were left out of the log", metadata: ["count": "\(leftOutCount)"])
            }
            switch event {
            case .announced:
                await state.announced(state.view.sequence, at: portal.key)
                await announced()
            case .announcementEnded(let error):
                accounts.counters.note(.announcementEnded)
                // Only another node with this identity is made way for. A portal that ends an announcement for
                // another reason, such as a changed policy, is dialled again: it may take the next.
                let isAnnounced = await state.isAnnounced(at: portal.key)
                wasReplaced = isAnnounced && error.message == ErrorText.announcedElsewhere
                if !wasReplaced {
                    troubles.say(.error, "the portal ended the announcement", reason: error.message)
                    watch.failed("the portal ended the announcement: \(error.message)", at: place)
                }
                await link.close()
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
        if wasReplaced { return .replaced }
        return .ended(wasAnnounced: await state.isAnnounced(at: portal.key))
    }

    /// Tells the owner that friends can come.
    func announced() async {
        troubles.end()
        accounts.counters.note(.announced)
        accounts.counters.note(portal.key, isAttached: true)
        watch.reached(.announced, at: place)
        do {
            try await isAnnounced(place)
        } catch {
            logger.error("the address cannot be printed", metadata: ["error": "\(error)"])
        }
    }

    private func configuration(_ policy: EndpointPolicy) -> NodeConnection.Configuration {
        var configuration = NodeConnection.Configuration(
            identity: identity, network: settings.network,
            reception: place.isOpen ? .open(policy) : .hidden(policy), wallClock: WallClock.milliseconds)
        configuration.accounts = accounts
        return configuration
    }
}
