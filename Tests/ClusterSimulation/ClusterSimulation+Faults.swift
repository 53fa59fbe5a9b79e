package import Cluster
package import NIOCore

extension ClusterSimulation {
    /// Starts one more machine, at an address of its own or in the place of another one.
    @discardableResult
    package func addPortal(inPlaceOf other: Int? = nil) -> Int {
        let index = portals.count
        let machine = MachineID(high: random.next(), low: random.next())
        let spread = plan.clockSpreadMilliseconds == 0 ? 0 : random.next() % plan.clockSpreadMilliseconds
        let wall = Self.epoch + (now.uptimeNanoseconds / 1_000_000) + spread
        let address = "m\(other ?? index).example.org:9000"
        let portal = SimulatedPortal(
            index, MachineSettings(machine: machine, address: address, wallMilliseconds: wall), at: now)
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
        portal.healthySince = now + time + .seconds(1)
        disturb(for: time + .seconds(1))
        events.add(.thaw(index), at: now + time)
        guard time >= .seconds(5) else { return }
        let attached = portal.endpoints.values.sorted()
        later(.seconds(5)) { simulation in
            for endpoint in attached { simulation.lose(endpoint, index, in: .zero) }
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
