package import Cluster
package import NIOCore

extension ClusterSimulation {
    /// Starts one more machine, at an address of its own or in the place of another one, with a clock that may be wrong.
    @discardableResult
    package func addPortal(inPlaceOf other: Int? = nil, clockOff: TimeAmount = .zero) -> Int {
        let index = portals.count
        let machine = MachineID(high: random.next(), low: random.next())
        let spread = plan.clockSpreadMilliseconds == 0 ? 0 : random.next() % plan.clockSpreadMilliseconds
        let wall =
            Int64(Self.epoch + now.uptimeNanoseconds / 1_000_000 + spread) + clockOff.nanoseconds / 1_000_000
        let address = "m\(other ?? index).example.org:9000"
        let portal = SimulatedPortal(
            index, MachineSettings(machine: machine, address: address, wallMilliseconds: UInt64(wall)),
            at: now)
        portals.append(portal)
        indices[machine] = index
        network.add()
        portal.healthySince = now + .seconds(6)
        call(portal) { $0.engineChanged(isUp: self.isEngineUp, at: self.now) }
        disturb(for: .seconds(6))
        return index
    }

    /// A process is killed: its links and connections break at once.
    package func kill(_ index: Int) {
        let portal = portals[index]
        guard portal.isAlive else { return }
        let ended = portal.endpoints
        vanish(portal)
        for other in portals.indices where portals[other].links.contains(index) { unlink(index, other) }
        for endpoint in ended.values.sorted() { lose(endpoint, index, in: .zero) }
    }

    /// A machine loses its power or its cable: nobody is told.
    package func unplug(_ index: Int) {
        let portal = portals[index]
        guard portal.isAlive else { return }
        let ended = portal.endpoints
        vanish(portal)
        for endpoint in ended.values.sorted() { lose(endpoint, index, in: .seconds(5)) }
    }

    private func vanish(_ portal: SimulatedPortal) {
        portal.end()
        searches[portal.index] = nil
        disturb(for: .seconds(5))
    }

    /// An endpoint notices after a time, and up to a second more, that its portal is silent.
    private func lose(_ endpoint: Int, _ index: Int, in time: TimeAmount) {
        guard let attachment = endpoints[endpoint].attachment, attachment.portal == index else { return }
        if !portals[index].isAlive { endpoints[endpoint].attachment = nil }
        connect(endpoint, in: time + .milliseconds(Int64.random(in: 0...1_000, using: &random)))
    }

    /// A process is stopped for a time, and goes on.
    package func freeze(_ index: Int, for time: TimeAmount) {
        let portal = portals[index]
        guard portal.isRunning(at: now) else { return }
        portal.frozenUntil = now + time
        // One that the others have given up is dialled again once they have heard from it, which a network that loses
        // messages may keep from them for some heartbeats.
        portal.healthySince = now + time + (time < .seconds(3) ? .seconds(1) : .seconds(6))
        disturb(for: time + .seconds(1))
        events.add(.thaw(index), at: now + time)
        guard time >= .seconds(5) else { return }
        let attached = portal.endpoints.values.sorted()
        later(.seconds(5)) { simulation in
            for endpoint in attached { simulation.lose(endpoint, index, in: .zero) }
        }
    }

    /// Every core is wanted by others for a time: the process runs for moments only.
    package func starve(_ index: Int, for time: TimeAmount) {
        guard time > .zero, portals[index].isAlive else { return }
        let pause = TimeAmount.milliseconds(Int64.random(in: 100...700, using: &random))
        freeze(index, for: pause)
        later(pause + .milliseconds(30)) { $0.starve(index, for: time - pause - .milliseconds(30)) }
    }

    /// Somebody sets the clock of a machine that runs, which is to change nothing.
    package func setClock(of index: Int, by step: TimeAmount) {
        let wall = Int64(Self.epoch + now.uptimeNanoseconds / 1_000_000) + step.nanoseconds / 1_000_000
        call(portals[index]) { $0.report(MachineLoad(), wallMilliseconds: UInt64(max(0, wall))) }
    }

    /// A machine starts whose clock is an hour off: it may not serve beside others, and ends after a time.
    package func addStrayClock(ahead: Bool, for time: TimeAmount) {
        let others = portals.contains { $0.isRunning(at: now) && $0.machine.isServing }
        let index = addPortal(clockOff: ahead ? .hours(1) : .hours(-1))
        later(time) { simulation in
            if others, simulation.portals[index].machine.isServing {
                simulation.history.violate("s", "machine \(index) serves with a clock an hour off")
            }
            simulation.kill(index)
        }
    }

    /// Sends again what was recorded of NATS' messages, some of it altered: nothing of it may count.
    package func replay() {
        for recorded in recording {
            let wait = TimeAmount.milliseconds(Int64.random(in: 0...5_000, using: &random))
            if random.chance(0.2), let index = recorded.bytes.indices.randomElement(using: &random) {
                var bytes = recorded.bytes
                bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
                events.add(.altered(bytes, recorded.subject), at: now + wait)
            } else {
                events.add(
                    .sealed(
                        recorded.bytes, to: recorded.receiver, from: recorded.sender, .engine,
                        recorded.subject),
                    at: now + wait)
            }
        }
    }

    func thaw(_ index: Int) {
        let portal = portals[index]
        guard portal.isAlive, portal.isRunning(at: now) else { return }
        portal.frozenUntil = nil
        // First what came meanwhile, then what has ended, as it stands in the sockets.
        let held = portal.held
        portal.held = []
        call(portal) { $0.timePassed(at: self.now) }
        call(portal) { $0.engineChanged(isUp: self.isEngineUp, at: self.now) }
        for (machine, other) in indices where other != index && !portal.links.contains(other) {
            call(portal) { $0.linkChanged(to: machine, isUp: false, at: self.now) }
        }
        for (envelope, path) in held { call(portal) { $0.receive(envelope, over: path, at: self.now) } }
        let ended = left.filter { $0.attachment.portal == index }
        left.removeAll { $0.attachment.portal == index }
        for (attachment, key) in ended { detach(attachment.connection, key, at: portal) }
        disturb(for: .seconds(1))
    }

    /// Messages from one machine to another are lost, until ``mend()``.
    package func cut(from: Int, to: Int, _ path: ClusterPath) {
        network.cut(from: from, to: to, path)
        for index in [from, to] { portals[index].healthySince = .distantFuture }
        disturb(for: .hours(1))
    }

    /// Two halves of the machines do not reach each other, until ``mend()``.
    package func split() {
        network.split { $0 % 2 == 1 }
        for portal in portals { portal.healthySince = .distantFuture }
        disturb(for: .hours(1))
    }

    /// Everything reaches everything again.
    package func mend() {
        network.mendAll()
        for portal in portals where portal.healthySince == .distantFuture {
            portal.healthySince = now + .seconds(12)
        }
        history.quietSince = now + .seconds(12)
    }

    /// NATS stands still for a time: after a second everybody notices, what it has is delivered afterwards.
    package func freezeEngine(for time: TimeAmount) {
        network.freeze(until: now + time)
        for portal in portals { portal.healthySince = max(portal.healthySince, now + time + .seconds(2)) }
        disturb(for: time + .seconds(2))
        guard time > .seconds(1) else { return }
        events.add(.engine(isUp: false), at: now + .seconds(1))
        events.add(.engine(isUp: true), at: now + time + .milliseconds(500))
    }

    /// All of NATS is gone, until a time.
    package func stopEngine(for time: TimeAmount) {
        engineChanged(isUp: false)
        // Look-ups and claims have to go on.
        events.add(.engine(isUp: true), at: now + time)
        disturb(for: time + .seconds(1))
    }

    func engineChanged(isUp: Bool) {
        isEngineUp = isUp
        for portal in portals where portal.isAlive {
            call(portal) { $0.engineChanged(isUp: isUp, at: self.now) }
        }
    }

    /// A machine asks its endpoints to go elsewhere, and ends.
    package func drain(_ index: Int, during time: TimeAmount) {
        disturb(for: time + .seconds(5))
        call(portals[index]) { $0.startDrain(during: time, at: self.now) }
        later(time) { $0.kill(index) }
    }
}
