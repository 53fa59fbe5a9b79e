internal import Cluster
internal import Keyring
internal import Logging
internal import Multiserver
internal import NATS
internal import NIOCore
internal import PortalCore
internal import Synchronization
internal import Transport
internal import TypedSodium

/// This machine among those of its portal: NATS, links, the log of policy, and the runtime that holds them together.
package final class ClusterMember: Sendable {
    private static let lookInterval = Duration.seconds(5)
    private static let drainStep = Duration.milliseconds(100)

    private struct Running: Sendable {
        let portal: Portal
        let links: ClusterLinks
        let listener: Listener
    }

    /// What holds all together.
    let runtime: ClusterRuntime
    /// NATS.
    let engine: ClusterEngine
    private let plan: ClusterPlan
    private let group: any EventLoopGroup
    private let log: ClusterLog
    private let logger: Logger
    private let policy: (any ClusterPolicy)?
    private let running = Mutex<Running?>(nil)

    /// A machine of a portal; `policy` makes the log of policy, where there is a keyring that can follow one.
    ///
    /// - Throws: `SodiumError`, and what `policy` throws.
    init(
        _ plan: ClusterPlan, of identity: Identity, group: any EventLoopGroup, logger: Logger,
        policy: (ClusterEngine) throws -> (any ClusterPolicy)?
    ) throws {
        var generator = SystemRandomNumberGenerator()
        let machine = MachineID(high: generator.next(), low: generator.next())
        let settings = MachineSettings(
            machine: machine, address: plan.address.hostAndPort,
            wallMilliseconds: UInt64(clamping: WallClock.milliseconds()))
        let log = ClusterLog(logger: logger)
        let runtime = ClusterRuntime(
            settings, portal: identity.publicKey, seal: ClusterSeal(try ClusterKeys(portal: identity)),
            portalGroup: group
        ) { log.note($0) }
        let engine = ClusterEngine(plan.nats, subjects: runtime.subjects, logger: logger) {
            [weak runtime] in runtime?.take($0)
        }
        (self.plan, self.group, self.logger) = (plan, group, logger)
        (self.log, self.runtime, self.engine) = (log, runtime, engine)
        self.policy = try policy(engine)
        self.policy?.follow { [weak runtime] in runtime?.take($0) }
    }

    // MARK: Running

    /// Keeps NATS and the log of policy until the task is cancelled.
    func run() async {
        await withTaskGroup { tasks in
            tasks.addTask { await self.engine.run() }
            tasks.addTask { await self.policy?.run() }
            tasks.addTask { await self.greet() }
            tasks.addTask { await self.look() }
            await tasks.waitForAll()
        }
    }

    /// Brings the keyring to the end of the log of policy.
    ///
    /// - Throws: why the portal must not start.
    func readPolicy() async throws { try await policy?.start() }

    /// Listens for links, and begins.
    ///
    /// - Throws: the system's error where the address cannot be bound, or `SodiumError`.
    func start(_ portal: Portal, note: @escaping @Sendable (PortalEvent) -> Void) async throws {
        let links = try ClusterLinks(of: portal, as: runtime.machine, on: group, note: note) {
            [weak runtime] in runtime?.take($0)
        }
        let listener = try await links.listen(over: TCPAcceptor(plan.listen))
        running.withLock { $0 = Running(portal: portal, links: links, listener: listener) }
        runtime.start(portal, links: links, engine: engine, policy: policy)
    }

    /// Waits until all is known that has to be to serve; or until the task is cancelled.
    func serves() async {
        while !runtime.isServing, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(50)) }
    }

    /// Lets endpoints and clients go elsewhere, and waits for tunnels: until there are none, or the time is over.
    func drain() async {
        guard let portal = running.withLock({ $0?.portal }) else { return }
        let end = ContinuousClock.now + plan.drain
        logger.notice(
            "cluster: this machine ends: its endpoints and clients are asked to go elsewhere",
            metadata: ["within": "\(plan.drain)", "tunnels": "\(portal.load.tunnelCount)"])
        runtime.drain(during: TimeAmount(plan.drain))
        let neighbourhood = Neighbourhood(of: portal)
        var clients = neighbourhood.clients[...]
        // Over four fifths of the time, as endpoints.
        let stepCount = max(1, clients.count / max(1, Int(plan.drain * 4 / 5 / Self.drainStep)) + 1)
        while ContinuousClock.now < end, !Task.isCancelled {
            neighbourhood.move(clients: clients.prefix(stepCount))
            clients = clients.dropFirst(stepCount)
            try? await Task.sleep(for: Self.drainStep)
            if portal.load.tunnelCount == 0, runtime.look({ $0.machine.ownClaims.isEmpty }) { break }
        }
    }

    /// Ends the links, and the loop.
    func close() async {
        let parts = running.withLock { running in
            defer { running = nil }
            return running
        }
        await parts?.listener.close()
        await parts?.links.close()
        await runtime.close()
    }

    /// Says at the start what is wrong with the servers of NATS.
    private func greet() async {
        for finding in await ClusterCheck(plan.settings).findings(on: group.next())
        where finding.verdict != .good {
            logger.warning(
                "cluster: \(finding.hop) is not as it should be",
                metadata: ["reason": "\(finding.words)", "remedy": "\(finding.remedy ?? "")"])
        }
    }

    /// Says now and then what is odd.
    private func look() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.lookInterval)
            log.look(at: snapshot)
        }
    }

    // MARK: Looking

    /// The machine at this moment.
    package var snapshot: ClusterSnapshot {
        let (engine, crowdedOutCount) = (engine.condition, runtime.crowdedOutCount)
        return runtime.look { driver in
            ClusterSnapshot(
                machine: runtime.machine, address: plan.address.hostAndPort,
                isServing: driver.machine.isServing, isDraining: driver.machine.isDraining,
                machines: driver.machine.machines.map { status in
                    let neighbour = driver.neighbours[status.machine]
                    return ClusterSnapshot.Neighbour(
                        status: status, roundTrip: neighbour?.roundTrip,
                        clockMilliseconds: neighbour?.clockMilliseconds)
                }, engine: engine, servers: plan.nats.servers, policy: policy?.status,
                lookUpCount: driver.machine.lookUpCount, lookUpTotal: driver.lookUpTotal,
                missTotal: driver.missTotal, counts: driver.machine.counts, forgedCount: driver.forgedCount,
                malformedCount: driver.malformedCount, crowdedOutCount: crowdedOutCount)
        }
    }
}
