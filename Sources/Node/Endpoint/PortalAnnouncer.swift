internal import Blinding
internal import Connection
internal import Logging
internal import Multiserver
internal import NIOCore
internal import SecretHandshake
internal import Transport
internal import Tunnel
internal import TypedSodium

/// An endpoint's stay at one portal: it dials, announces, serves, and dials again, until its task is cancelled.
///
/// There is one connection to a portal, however many addresses that has; another one only while it takes the place of the
/// first, as ``Succession`` decides.
struct PortalAnnouncer: Sendable {
    /// How long to stay away after another node with this identity has announced itself.
    ///
    /// Two nodes with one identity would else throw each other out for ever.
    private static let conflictPause = Duration.seconds(60)
    /// How long to stay away from a portal that cannot keep this endpoint hidden: its operator has to update it.
    private static let unsuitableTime = Duration.seconds(60)
    /// After how long without another node of this identity its next appearance is news.
    private static let peaceTime = Duration.seconds(600)
    /// After how long an announcement has done what it was for, so that its end is the first failure again.
    ///
    /// A portal that ends each at once, or has it go elsewhere, is otherwise dialled twice a second for ever.
    private static let steadyTime = Duration.seconds(5)

    let place: EndpointView.Place
    let identity: Identity
    let settings: Settings
    let state: EndpointState
    let keyring: EndpointKeyring
    let accounts: EndpointAccounts
    let watch: NodeWatch
    let addresses: AddressBook
    let group: any EventLoopGroup
    let logger: Logger
    /// What keeps it from being announced.
    let troubles: TroubleLog
    let isAnnounced: @Sendable (EndpointView.Place) async throws -> Void

    /// What happens on a connection, by its number, or instead of one.
    enum Happening: Sendable {
        case dialled(PortalDialling.Connection)
        case dialFailed
        case announced(Int)
        case wished(SuccessorWish, by: Int)
        case ended(Int, Succession<Int>.End)
    }

    /// What is known of the connections of this moment.
    private struct Connections {
        var succession = Succession<Int>()
        var stays: [Int: PortalStay] = [:]
        var announcedAt: [Int: ContinuousClock.Instant] = [:]
        var lastNumber = 0
        var backoff = Backoff()
        var startedAt = ContinuousClock.now

        /// Whether one has been announced for long enough, of which the backoff takes note.
        @discardableResult
        mutating func noteSteady(_ number: Int) -> Bool {
            guard let at = announcedAt[number], .now - at >= PortalAnnouncer.steadyTime else { return false }
            backoff.succeeded()
            return true
        }

        /// Whether the portal of the one that counts is silent.
        var isCurrentSilent: Bool {
            get async {
                guard let current = succession.current, let stay = stays[current] else { return false }
                return await stay.connection.link.isSilent
            }
        }
    }

    private var portal: PeerAddress { place.portal }

    /// Stays until the task is cancelled.
    func run() async {
        let (happenings, continuation) = AsyncStream.makeStream(of: Happening.self)
        // Apart from the others: each of the two is announced in turn, which ends nothing.
        let conflicts = TroubleLog(logger)
        await withDiscardingTaskGroup { tasks in
            var connections = Connections()
            var orders = connections.succession.start()
            while true {
                for order in orders {
                    perform(order, &connections, conflicts, in: &tasks, continuation)
                }
                guard let happening = await happenings.first(where: { _ in true }) else { break }
                orders = await see(to: happening, &connections, in: &tasks, continuation)
            }
            tasks.cancelAll()
        }
        continuation.finish()
        for await case .dialled(let late) in happenings { await late.link.close() }
    }

    private func perform(
        _ order: Succession<Int>.Order, _ connections: inout Connections, _ conflicts: TroubleLog,
        in tasks: inout DiscardingTaskGroup, _ happenings: AsyncStream<Happening>.Continuation
    ) {
        switch order {
        case .dial(let pause):
            let time = time(of: pause, &connections)
            let current = connections.succession.current.flatMap { connections.stays[$0]?.connection.address }
            tasks.addTask { await dial(after: time, beside: current, happenings) }
        case .retire(let number): connections.stays[number]?.retire()
        case .close(let number):
            guard let link = connections.stays[number]?.connection.link else { return }
            tasks.addTask { await link.close() }
        case .away(let end):
            watch.reached(.away, at: place)
            guard end == .replaced else { return }
            watch.failed("this identity has announced itself elsewhere", at: place)
            if ContinuousClock.now - connections.startedAt > Self.peaceTime { conflicts.end() }
            conflicts.say(
                .warning, "this identity has announced itself elsewhere: staying away for a minute")
        }
    }

    private func time(of pause: Succession<Int>.Pause, _ connections: inout Connections) -> Duration {
        switch pause {
        case .none: .zero
        case .spread: .seconds(.random(in: 0..<1.0))
        case .backoff:
            .nanoseconds(connections.backoff.failed(at: .now(), fraction: .random(in: 0..<1)).nanoseconds)
        case .conflict: Self.conflictPause
        case .unsuitable: Self.unsuitableTime
        }
    }

    private func see(
        to happening: Happening, _ connections: inout Connections, in tasks: inout DiscardingTaskGroup,
        _ happenings: AsyncStream<Happening>.Continuation
    ) async -> [Succession<Int>.Order] {
        switch happening {
        case .dialled(let connection):
            connections.lastNumber += 1
            let number = connections.lastNumber
            let isCurrentSilent = await connections.isCurrentSilent
            let orders = connections.succession.dialled(number, isCurrentSilent: isCurrentSilent)
            guard !orders.contains(.close(number)) else {
                tasks.addTask { await connection.link.close() }
                return []
            }
            if connections.succession.current == number { connections.startedAt = .now }
            let stay = PortalStay(announcer: self, connection: connection, number: number) {
                happenings.yield($0)
            }
            connections.stays[number] = stay
            tasks.addTask { happenings.yield(.ended(number, await stay.run())) }
            return orders
        case .dialFailed:
            return connections.succession.dialFailed(isCurrentSilent: await connections.isCurrentSilent)
        case .announced(let number):
            connections.announcedAt[number] = .now
            return connections.succession.announced(number)
        case .wished(let wish, by: let number):
            guard let address = connections.stays[number]?.connection.address else { return [] }
            let isSteady = connections.noteSteady(number)
            let orders = connections.succession.wished(wish, by: number, isSteady: isSteady)
            guard !orders.isEmpty else { return [] }
            // The others come first, if there are any.
            addresses.tried(address)
            logger.info(
                wish == .move
                    ? "the portal's machine stops: going to another one"
                    : "the portal's machine is silent: dialling another one beside it",
                metadata: ["address": "\(address.words)"])
            return orders
        case .ended(let number, let end):
            if let stay = connections.stays.removeValue(forKey: number) {
                addresses.tried(stay.connection.address)
            }
            connections.noteSteady(number)
            if connections.announcedAt.removeValue(forKey: number) != nil, connections.announcedAt.isEmpty {
                await state.left(portal.key)
                accounts.counters.note(portal.key, isAttached: false)
            }
            let isCurrentSilent = await connections.isCurrentSilent
            return connections.succession.ended(number, end, isCurrentSilent: isCurrentSilent)
        }
    }

    // MARK: Dialling

    private func dial(
        after pause: Duration, beside current: DialAddress?, _ happenings: AsyncStream<Happening>.Continuation
    ) async {
        let isAlone = current == nil
        if pause > .zero {
            logger.debug("dialling again", metadata: ["after": "\(pause)"])
            try? await Task.sleep(for: pause)
        }
        guard !Task.isCancelled else { return }
        if isAlone { watch.reached(.dialling, at: place) }
        do {
            let view = await state.view
            let shown =
                place.isOpen ? identity : try Pseudonym.identity(of: identity, at: PortalKey(portal.key))
            let configuration = configuration(view.policy)
            let loop = group.next()
            let connection = try await PortalDialling(addresses: addresses).dial(
                view.hosts(of: place), avoiding: current
            ) { address, events in
                try await NodeLink.dial(
                    address.portal.key, over: TCPConnector(address.portal.net, at: address.addresses),
                    showing: shown, configuration: configuration,
                    services: view.targets.mapValues(\.connector), on: loop
                ) { events.post($0) }
            }
            connection.link.ended.whenComplete { _ in connection.events.finish() }
            accounts.counters.note(.dialled)
            // Nobody hears of it any more where the place was removed meanwhile, which cancels the task.
            if case .terminated = happenings.yield(.dialled(connection)) { await connection.link.close() }
        } catch {
            let failure = HopFailure(error)
            // Nothing comes of waiting, unlike with a portal that is away.
            let level: Logger.Level =
                if case .outerHandshakeRefused(_, answered: true) = failure { .error } else { .warning }
            accounts.counters.note(.notDialled)
            troubles.say(level, "no connection to the portal", reason: "\(failure)")
            watch.failed("\(failure)", at: place)
            if isAlone { watch.reached(.away, at: place) }
            happenings.yield(.dialFailed)
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
