package import Cluster
internal import NATS
package import NIOCore
internal import NIOPosix
package import PortalCore
internal import Synchronization
package import Transport
package import TypedSodium

/// Runs one machine of a cluster, on an event loop of its own: it opens and seals messages, keeps the time, and does what
/// the machine orders.
///
/// Everything that comes, from NATS' threads, links and the portal's loops, hops once into a queue with a bound,
/// ``ClusterInbox``.
package final class ClusterRuntime: PortalNeighbours, Sendable {
    /// So much is done before the loop's other work has its turn.
    private static let roundCount = 256
    /// How often the load is looked at.
    private static let loadInterval = TimeAmount.seconds(1)

    private struct Load {
        var sampledAt: NIODeadline?
        var byteCount = 0
        var load = MachineLoad()
    }

    private struct State {
        var driver: ClusterDriver
        var load = Load()
        var wakeAt: NIODeadline?
    }

    /// Which machine this is.
    package let machine: MachineID
    private let post: ClusterPost
    private let report: @Sendable (ClusterEvent) -> Void
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let portalGroup: any EventLoopGroup
    private let inbox = ClusterInbox()
    private let isEnded = Atomic(false)
    /// What orders are done with, once the machine is started.
    private let orders = Mutex<ClusterOrders?>(nil)
    private let state: Mutex<State>

    /// A machine that starts now; `report` is told what happens, on the machine's loop.
    package init(
        _ settings: MachineSettings, portal: PublicKey, seal: consuming ClusterSeal,
        portalGroup: any EventLoopGroup,
        report: @escaping @Sendable (ClusterEvent) -> Void
    ) {
        machine = settings.machine
        post = ClusterPost(seal)
        self.report = report
        self.portalGroup = portalGroup
        state = Mutex(State(driver: ClusterDriver(settings, portal: portal, at: .now())))
    }

    /// Begins with a portal, links to other machines, and NATS.
    package func start(
        _ portal: Portal, links: any MachineLinks, engine: ClusterEngine?, policy: (any ClusterPolicy)? = nil
    ) {
        let orders = ClusterOrders(
            neighbourhood: Neighbourhood(of: portal), links: links, engine: engine, policy: policy,
            post: post,
            add: { [weak self] in self?.add($0) }, report: report)
        self.orders.withLock { $0 = orders }
        schedule()
    }

    /// Ends the loop; nothing is done any more.
    package func close() async {
        isEnded.store(true, ordering: .relaxed)
        orders.withLock { $0 = nil }
        try? await group.shutdownGracefully()
    }

    // MARK: What is asked of it

    /// Looks at the machine with what stands beside it.
    func look<Result>(_ body: (ClusterDriver) -> Result) -> Result { state.withLock { body($0.driver) } }

    /// Messages of others that were dropped because too many waited.
    package var crowdedOutCount: Int { inbox.crowdedOutCount }

    /// Whether all is known that has to be to serve.
    package var isServing: Bool { look { $0.machine.isServing } }

    /// The machine ends after a time: peers are asked to go elsewhere meanwhile.
    package func drain(during time: TimeAmount) { add(.drain(time)) }

    /// Something happened with the log of policy.
    package func take(_ event: ClusterPolicyEvent) { add(.policy(event)) }

    // MARK: The portal

    package func announced(_ peer: PublicKey, _ manner: NeighbourManner) { add(.announced(peer, manner)) }

    package func left(_ peer: PublicKey) { add(.left(peer)) }

    package func lookUp(
        _ target: NeighbourTarget, for caller: NeighbourCaller,
        take: @escaping @Sendable (NeighbourStep) -> Void
    ) -> NeighbourLookUp {
        let number = inbox.nextLookUp()
        let loop = MultiThreadedEventLoopGroup.currentEventLoop ?? portalGroup.next()
        add(.lookUp(number, target, caller, ClusterDriver.Asker(loop: loop, take: take)))
        return number
    }

    package func failed(_ lookUp: NeighbourLookUp, _ failure: NeighbourFailure) {
        add(.failed(lookUp, failure))
    }

    package func end(_ lookUp: NeighbourLookUp) { add(.end(lookUp)) }

    // MARK: NATS and links

    /// Something happened with NATS.
    package func take(_ event: ClusterEngine.Event) {
        switch event {
        case .up: add(.engine(isUp: true))
        case .down: add(.engine(isUp: false))
        case .message(let message):
            let subjects = ClusterSubject.subscriptions(of: machine)
            guard let subject = subjects.first(where: { post.name(of: $0) == message.subject }) else {
                return
            }
            add(.message(message.payload, subject))
        }
    }

    /// Something happened on a link.
    package func take(_ event: MachineLinkEvent) {
        switch event {
        case .up(let other): add(.linkUp(other, isUp: true))
        case .down(let other): add(.linkUp(other, isUp: false))
        case .heard(let other): add(.linkHeard(other))
        case .message(let bytes, _): add(.message(bytes, .link(to: machine)))
        }
    }

    /// What NATS has to be subscribed to.
    package var subjects: [String] {
        ClusterSubject.subscriptions(of: machine).map { post.name(of: $0) }
    }

    // MARK: The queue

    private func add(_ input: ClusterInput) { if inbox.add(input) { schedule() } }

    private func schedule() {
        guard !isEnded.load(ordering: .relaxed) else { return }
        group.next().execute { self.round() }
    }

    // MARK: On the loop

    /// Takes what waits, lets the time pass, and does what follows.
    private func round() {
        // What comes before the start waits for it.
        guard let orders = orders.withLock({ $0 }) else { return }
        let (inputs, isMore) = inbox.take(Self.roundCount)
        let wakeAt = state.withLock { state -> NIODeadline? in
            let now = NIODeadline.now()
            let wall = WallClock.milliseconds()
            sample(&state, orders.neighbourhood, wall: wall, at: now)
            for input in inputs { take(input, &state.driver, orders, wall: wall, at: now) }
            if state.driver.machine.deadline <= now { state.driver.machine.timePassed(at: now) }
            state.driver.probeIfDue(at: now)
            orders.perform(&state.driver, at: now)
            let deadline = state.driver.deadline
            if let wakeAt = state.wakeAt, wakeAt <= deadline, wakeAt > now { return nil }
            state.wakeAt = deadline
            return deadline
        }
        if let wakeAt { group.next().scheduleTask(deadline: wakeAt) { self.round() } }
        if isMore { schedule() }
    }

    private func sample(
        _ state: inout State, _ neighbourhood: Neighbourhood, wall: Int64, at now: NIODeadline
    ) {
        defer { state.driver.machine.report(state.load.load, wallMilliseconds: UInt64(clamping: wall)) }
        let sampledAt = state.load.sampledAt
        if let sampledAt, now - sampledAt < Self.loadInterval { return }
        let byteCount = neighbourhood.relayedByteCount
        let counts = neighbourhood.load
        var load = MachineLoad()
        load.connectionCount = UInt32(clamping: counts.connectionCount)
        load.tunnelCount = UInt32(clamping: counts.tunnelCount)
        if let sampledAt {
            let seconds = Double((now - sampledAt).nanoseconds) / 1e9
            load.bytesPerSecond = UInt64(Double(max(0, byteCount - state.load.byteCount)) / seconds)
        }
        state.load = Load(sampledAt: now, byteCount: byteCount, load: load)
    }

    private func take(
        _ input: ClusterInput, _ driver: inout ClusterDriver, _ orders: ClusterOrders, wall: Int64,
        at now: NIODeadline
    ) {
        switch input {
        case .engine(let isUp):
            driver.machine.engineChanged(isUp: isUp, at: now)
            orders.policy?.engineChanged(isUp: isUp)
        case .message(let bytes, let subject):
            let path: ClusterPath = subject == .link(to: machine) ? .link : .engine
            let opened = post.open(bytes, from: subject)
            driver.receive(opened, over: path, wall: wall, at: now)
            if case .success(let envelope) = opened, case .heartbeat(let heartbeat) = envelope.message,
                driver.neighbours[envelope.sender] != nil
            {
                orders.policy?.heard(heartbeat.policy)
            }
        case .linkUp(let other, let isUp): driver.machine.linkChanged(to: other, isUp: isUp, at: now)
        case .linkHeard(let other): driver.machine.linkHeard(from: other, at: now)
        case .announced(let peer, let manner):
            if !driver.announced(peer, manner, at: now) {
                orders.neighbourhood.yield(peer, .unannounced, since: driver.toldCount)
            }
        case .left(let peer): driver.left(peer, at: now)
        case .lookUp(let number, let target, let caller, let asker):
            driver.lookUp(number, target, for: caller, asker, at: now)
        case .failed(let number, let failure): driver.failed(number, failure, at: now)
        case .end(let number): driver.end(number)
        case .policy(.mark(let mark)): driver.machine.report(mark)
        case .policy(.denials(let denials)): driver.machine.report(denials, at: now)
        case .drain(let time): driver.machine.startDrain(during: time, at: now)
        }
    }
}
