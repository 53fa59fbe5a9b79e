import Blinding
import Cluster
package import NIOCore
import PortalCore
import TypedSodium

/// Many machines of one portal, and their endpoints, in one process: the real state machines and tables under a clock
/// and a network that are made up, from a seed.
///
/// Whatever happens is checked on the way and by ``check()``: the promises (a), (b), (g), (h) and (i) of a cluster. Those
/// about policy and about bytes need processes.
package final class ClusterSimulation {
    /// How large it is, and how rough.
    package struct Plan: Sendable {
        package var machineCount = 4
        package var endpointCount = 200
        package var tokenCount = 48
        /// How many of the endpoints are hidden.
        package var hiddenPart = 0.5
        package var network = NetworkPlan()
        /// Whether messages are really encoded, sealed, opened and decoded.
        package var isSealed = true
        /// How many handshakes a second one machine makes.
        package var handshakesPerSecond = 500
        /// How far clocks lie apart at the start.
        package var clockSpreadMilliseconds: UInt64 = 2_000
        package var seed: UInt64 = 1

        package init() {}
    }

    enum Event {
        case wake(Int)
        case deliver(ClusterEnvelope, to: Int, from: Int, ClusterPath)
        case sealed([UInt8], to: Int, from: Int, ClusterPath, ClusterSubject)
        case altered([UInt8], ClusterSubject)
        case linked(Int, Int)
        case notLinked(Int, Int)
        case dial(endpoint: Int, attempt: Int)
        case announce(endpoint: Int, portal: Int, attempt: Int)
        case thaw(Int)
        case engine(isUp: Bool)
        case tried(portal: Int, LookUpID, Candidate)
        case perform(@Sendable (ClusterSimulation) -> Void)
    }

    /// A message of NATS that somebody has kept.
    struct Recorded {
        let bytes: [UInt8]
        let receiver: Int
        let sender: Int
        let subject: ClusterSubject
    }

    struct Search {
        let endpoint: Int
        let beganAt: NIODeadline
        let expected: Int?
    }

    static let epoch: UInt64 = 1_800_000_000_000
    /// How many of the latest messages are kept for ``replay()``.
    private static let recordingLimit = 2_000

    package let plan: Plan
    package internal(set) var now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    package internal(set) var portals: [SimulatedPortal] = []
    package internal(set) var endpoints: [SimulatedEndpoint] = []
    package internal(set) var history: History
    package internal(set) var traffic = Traffic()
    package internal(set) var isEngineUp = true

    var network: SimulatedNetwork
    var events = EventQueue<Event>()
    var random: SimulationRandom
    var searches: [Int: [LookUpID: Search]] = [:]
    var indices: [MachineID: Int] = [:]
    /// The endpoints by their keys.
    var numbers: [PublicKey: Int] = [:]
    /// Endpoints that share a key with another one.
    var twins: Set<Int> = []
    /// Connections that were left while their portal stood still.
    var left: [(attachment: SimulatedEndpoint.Attachment, key: PublicKey)] = []
    /// The latest messages that NATS delivered, in no order.
    private(set) var recording: [Recorded] = []
    private var recordedCount = 0
    let seal: ClusterSeal?

    /// Machines that start, and endpoints that are announced nowhere yet.
    package init(_ plan: Plan) throws {
        self.plan = plan
        random = SimulationRandom(seed: plan.seed)
        network = SimulatedNetwork(plan.network, machineCount: 0)
        history = History(at: now)
        if plan.isSealed {
            let identity = try Identity(seed: SecretKey(copying: Array(repeating: 7, count: 32).span))
            seal = ClusterSeal(try ClusterKeys(portal: identity))
        } else {
            seal = nil
        }
        for _ in 0..<plan.machineCount { addPortal() }
        for index in 0..<plan.endpointCount {
            let isHidden = Double(index) < Double(plan.endpointCount) * plan.hiddenPart
            endpoints.append(SimulatedEndpoint(index, isHidden: isHidden))
            numbers[endpoints[index].key] = index
        }
    }

    // MARK: Time

    /// Lets time pass.
    package func run(for time: TimeAmount) {
        let end = now + time
        while let next = events.nextAt, next <= end, let (at, event) = events.popFirst() {
            now = at
            handle(event)
        }
        now = end
    }

    /// Lets time pass until something holds; whether it did in time.
    package func run(atMost time: TimeAmount, until holds: (ClusterSimulation) -> Bool) -> Bool {
        let end = now + time
        while !holds(self) {
            guard now < end else { return false }
            run(for: .milliseconds(20))
        }
        return true
    }

    private func handle(_ event: Event) {
        switch event {
        case .wake(let index):
            let portal = portals[index]
            guard portal.wakeAt == now else { return }
            portal.wakeAt = nil
            call(portal) { $0.timePassed(at: self.now) }
        case .deliver(let envelope, let index, let sender, let path):
            deliver(envelope, to: index, from: sender, path)
        case .sealed(let bytes, let index, let sender, let path, let subject):
            do throws(ClusterError) {
                guard let envelope = try seal?.open(bytes, from: subject) else { return }
                deliver(envelope, to: index, from: sender, path)
            } catch {
                history.violate("i", "a message of our own does not open: \(error)")
            }
        case .altered(let bytes, let subject):
            if (try? seal?.open(bytes, from: subject)) != nil {
                history.violate("i", "a message that was altered opens")
            }
        case .linked(let first, let second): link(first, second)
        case .notLinked(let first, let second):
            let machine = portals[second].machine.machine
            call(portals[first]) { $0.linkChanged(to: machine, isUp: false, at: self.now) }
        case .dial(let endpoint, let attempt): dial(endpoint, attempt)
        case .announce(let endpoint, let portal, let attempt): announce(endpoint, at: portal, attempt)
        case .thaw(let index): thaw(index)
        case .engine(let isUp): engineChanged(isUp: isUp)
        case .tried(let index, let id, let candidate): tried(id, candidate, at: index)
        case .perform(let action): action(self)
        }
    }

    /// Does something at a later time.
    package func later(_ time: TimeAmount, _ action: @escaping @Sendable (ClusterSimulation) -> Void) {
        events.add(.perform(action), at: now + time)
    }

    // MARK: Machines

    /// Calls a machine where its process runs, does what it asks for, and plans its next call.
    func call(_ portal: SimulatedPortal, _ body: (inout ClusterMachine) -> Void) {
        guard portal.isRunning(at: now) else { return }
        body(&portal.machine)
        // An answer may ask for more.
        while true {
            let outputs = portal.machine.takeOutputs()
            guard !outputs.isEmpty else { break }
            history.greatestOutputCount = max(history.greatestOutputCount, outputs.count)
            for output in outputs { perform(output, of: portal) }
        }
        history.greatestLookUpCount = max(history.greatestLookUpCount, portal.machine.lookUpCount)
        let deadline = max(portal.machine.deadline, now)
        if portal.wakeAt.map({ deadline < $0 }) ?? true {
            portal.wakeAt = deadline
            events.add(.wake(portal.index), at: deadline)
        }
    }

    private func perform(_ output: ClusterOutput, of portal: SimulatedPortal) {
        switch output {
        case .publish(let envelope, let subject): publish(envelope, subject, from: portal)
        case .send(let envelope, let machine):
            guard let index = indices[machine], portal.links.contains(index) else { return }
            traffic.linkMessageCount += 1
            traffic.linkByteCount += envelope.byteCount + ClusterSeal.overheadByteCount
            send(envelope, to: index, from: portal.index, .link, .link(to: machine))
        case .dial(let machine, _): dialLink(to: machine, from: portal)
        case .hangUp(let machine): if let index = indices[machine] { unlink(portal.index, index) }
        case .consult(let consultation):
            var found = Array(repeating: [PublicKey](), count: consultation.question.targets.count)
            for (index, token, key) in consultation.tokens {
                found[index] = portal.keys(of: token, by: key) { self.endpoints[$0].key }
            }
            portal.machine.answer(consultation, found: found, at: now)
        case .reach(let id, let candidate): reach(id, candidate, from: portal)
        case .missed(let id): end(id, at: portal, .missed)
        case .unreachable(let id): end(id, at: portal, .unreachable)
        case .yield(let key, let yielding): yield(key, yielding, at: portal)
        case .move(let keys):
            for key in keys { if let number = numbers[key] { move(number) } }
        case .listChanged, .denied, .event: break
        }
    }

    private func publish(_ envelope: ClusterEnvelope, _ subject: ClusterSubject, from portal: SimulatedPortal)
    {
        guard isEngineUp else { return }
        let byteCount = envelope.byteCount + ClusterSeal.overheadByteCount
        traffic.publicationCount += 1
        traffic.publishedByteCount += byteCount
        let receivers: [Int]
        if case .inbox(let machine) = subject {
            receivers = indices[machine].map { [$0] } ?? []
        } else {
            receivers = portals.indices.filter { $0 != portal.index && portals[$0].isAlive }
        }
        traffic.deliveryCount += receivers.count
        traffic.deliveredByteCount += receivers.count * byteCount
        for receiver in receivers { send(envelope, to: receiver, from: portal.index, .engine, subject) }
    }

    private func send(
        _ envelope: ClusterEnvelope, to index: Int, from sender: Int, _ path: ClusterPath,
        _ subject: ClusterSubject
    ) {
        guard portals[index].isAlive else { return }
        let arrivals = network.arrivals(from: sender, to: index, path, at: now, &random)
        for arrival in arrivals {
            if let nonce = try? Nonce((0..<24).map { _ in UInt8.random(in: 0...255, using: &random) }),
                let bytes = seal?.seal(envelope, to: subject, nonce: nonce)
            {
                events.add(.sealed(bytes, to: index, from: sender, path, subject), at: arrival)
                if path == .engine {
                    record(Recorded(bytes: bytes, receiver: index, sender: sender, subject: subject))
                }
            } else {
                events.add(.deliver(envelope, to: index, from: sender, path), at: arrival)
            }
        }
    }

    private func record(_ message: Recorded) {
        if recording.count < Self.recordingLimit {
            recording.append(message)
        } else {
            recording[recordedCount % Self.recordingLimit] = message
        }
        recordedCount += 1
    }

    private func deliver(_ envelope: ClusterEnvelope, to index: Int, from sender: Int, _ path: ClusterPath) {
        let portal = portals[index]
        guard portal.isAlive, path == .engine || portal.links.contains(sender) else { return }
        guard portal.isRunning(at: now) else {
            if portal.held.count < 10_000 { portal.held.append((envelope, path)) }
            return
        }
        call(portal) { $0.receive(envelope, over: path, at: self.now) }
    }

    // MARK: Links

    private func dialLink(to machine: MachineID, from portal: SimulatedPortal) {
        guard let other = indices[machine], portals[other].isAlive,
            network.reaches(from: portal.index, to: other, .link),
            network.reaches(from: other, to: portal.index, .link)
        else {
            if let other = indices[machine] {
                events.add(.notLinked(portal.index, other), at: now + .seconds(1))
            }
            return
        }
        events.add(.linked(portal.index, other), at: now + .milliseconds(2))
    }

    private func link(_ first: Int, _ second: Int) {
        guard portals[first].isAlive, portals[second].isAlive else { return }
        portals[first].links.insert(second)
        portals[second].links.insert(first)
        for (one, other) in [(first, second), (second, first)] {
            let machine = portals[other].machine.machine
            call(portals[one]) { $0.linkChanged(to: machine, isUp: true, at: self.now) }
        }
    }

    /// The link between two machines is over, which both see.
    func unlink(_ first: Int, _ second: Int) {
        guard portals[first].links.contains(second) || portals[second].links.contains(first) else { return }
        portals[first].links.remove(second)
        portals[second].links.remove(first)
        for (one, other) in [(first, second), (second, first)] {
            let machine = portals[other].machine.machine
            call(portals[one]) { $0.linkChanged(to: machine, isUp: false, at: self.now) }
        }
    }
}
