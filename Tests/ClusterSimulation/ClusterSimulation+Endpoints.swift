import Cluster
package import NIOCore
import PortalCore
import TypedSodium

extension ClusterSimulation {
    /// Starts the machines, which learn of each other, and connects all endpoints, so many a second.
    package func start(endpointsPerSecond: Int = 20_000) {
        run(for: .seconds(6))
        let interval = 1_000_000_000 / Int64(endpointsPerSecond)
        for index in endpoints.indices { connect(index, in: .nanoseconds(Int64(index) * interval)) }
        _ = run(atMost: .seconds(600)) { $0.detachedCount == 0 }
        run(for: .seconds(6))
    }

    /// How many endpoints are announced nowhere.
    package var detachedCount: Int { endpoints.count { $0.attachment == nil } }

    /// One more process with the key of an endpoint, which both are told to share.
    package func addTwin(of index: Int) -> Int {
        endpoints.append(endpoints[index])
        endpoints[endpoints.count - 1].attachment = nil
        twins.formUnion([index, endpoints.count - 1])
        return endpoints.count - 1
    }

    /// Lets an endpoint look for a portal, beside the one that it has.
    package func connect(_ index: Int, in time: TimeAmount = .zero, to portal: Int? = nil) {
        disturb(for: time + .seconds(1))
        endpoints[index].attempt += 1
        if let portal {
            events.add(
                .announce(endpoint: index, portal: portal, attempt: endpoints[index].attempt), at: now + time)
        } else {
            events.add(.dial(endpoint: index, attempt: endpoints[index].attempt), at: now + time)
        }
    }

    /// Something changes, or may, for so long.
    func disturb(for time: TimeAmount = .zero) { history.quietSince = max(history.quietSince, now + time) }

    func dial(_ index: Int, _ attempt: Int) {
        guard endpoints[index].attempt == attempt else { return }
        if let until = endpoints[index].awayUntil, until > now {
            events.add(.dial(endpoint: index, attempt: attempt), at: until)
            return
        }
        let own = endpoints[index].attachment?.portal
        let open = portals.filter { portal in
            portal.isAlive && portal.machine.isServing && !portal.machine.isDraining && portal.index != own
        }
        guard let portal = open.randomElement(using: &random) else {
            events.add(.dial(endpoint: index, attempt: attempt), at: now + .seconds(1))
            return
        }
        guard portal.isRunning(at: now) else {
            // It does not answer: another is tried.
            events.add(.dial(endpoint: index, attempt: attempt), at: now + .seconds(3))
            return
        }
        let turn = TimeAmount.nanoseconds(1_000_000_000 / Int64(plan.handshakesPerSecond))
        portal.handshakeAt = max(portal.handshakeAt, now) + turn
        disturb(for: portal.handshakeAt - now + .seconds(1))
        events.add(
            .announce(endpoint: index, portal: portal.index, attempt: attempt),
            at: portal.handshakeAt + .milliseconds(2))
    }

    func announce(_ index: Int, at portalIndex: Int, _ attempt: Int) {
        guard endpoints[index].attempt == attempt else { return }
        let portal = portals[portalIndex]
        guard portal.isRunning(at: now) else {
            events.add(.dial(endpoint: index, attempt: attempt), at: now + .seconds(1))
            return
        }
        let endpoint = endpoints[index]
        let tokens =
            endpoint.isHidden
            ? SimulatedEndpoint.tokens(of: index, count: plan.tokenCount, day: endpoint.day) : nil
        let former = portal.connections[endpoint.key].flatMap { portal.endpoints[$0] }
        // Announced elsewhere first, then left.
        let connection = portal.attach(index, endpoint.key, tokens: tokens, at: now)
        call(portal) { _ in }
        if let former = endpoint.attachment { release(former, of: endpoint.key) }
        endpoints[index].attachment = SimulatedEndpoint.Attachment(
            portal: portalIndex, connection: connection, since: now)
        disturb()
        // At one machine the second process with a key ends the first one's connection, as a portal alone does.
        if let former, former != index { displace(former) }
    }

    private func displace(_ index: Int) {
        history.elsewhereCount += 1
        if !twins.contains(index) {
            history.violate(
                "g", "endpoint \(index), which has one process, heard announced elsewhere at \(now)")
        }
        endpoints[index].attachment = nil
        endpoints[index].awayUntil = now + .seconds(60)
        connect(index)
    }

    /// A connection that an endpoint has left ends, where its portal sees that.
    private func release(_ attachment: SimulatedEndpoint.Attachment, of key: PublicKey) {
        let portal = portals[attachment.portal]
        guard portal.isAlive else { return }
        guard portal.isRunning(at: now) else {
            left.append((attachment, key))
            return
        }
        detach(attachment.connection, key, at: portal)
    }

    func detach(_ connection: ConnectionID, _ key: PublicKey, at portal: SimulatedPortal) {
        portal.detach(connection, key, at: now)
        call(portal) { _ in }
    }

    /// An endpoint goes away, and comes back after a time, if at all.
    package func disconnect(_ index: Int, back time: TimeAmount?) {
        guard let attachment = endpoints[index].attachment else { return }
        endpoints[index].attachment = nil
        endpoints[index].attempt += 1
        release(attachment, of: endpoints[index].key)
        disturb()
        if let time { connect(index, in: time) }
    }

    /// A process that shared a key with another ends, and the other one comes back.
    package func retire(_ twin: Int) {
        disconnect(twin, back: nil)
        endpoints[twin].attempt += 1
    }

    /// An endpoint is asked by its portal to go elsewhere.
    func move(_ index: Int) { connect(index, in: .milliseconds(Int64.random(in: 1...100, using: &random))) }

    /// An endpoint announces the tokens of the next day.
    package func passDay(of index: Int) {
        guard let attachment = endpoints[index].attachment, endpoints[index].isHidden else { return }
        endpoints[index].day += 1
        let tokens = SimulatedEndpoint.tokens(of: index, count: plan.tokenCount, day: endpoints[index].day)
        portals[attachment.portal].replaceTokens(tokens, of: endpoints[index].key, on: attachment.connection)
    }

    func yield(_ key: PublicKey, _ yielding: Yielding, at portal: SimulatedPortal) {
        guard let connection = portal.connections[key], let index = portal.endpoints[connection] else {
            return
        }
        let isCurrent =
            endpoints[index].attachment.map { $0.portal == portal.index && $0.connection == connection }
            ?? false
        disturb()
        switch yielding {
        case .unannounced, .moved: break
        case .announcedElsewhere:
            portal.detach(connection, key, at: now)
            if isCurrent { displace(index) }
        case .silenced:
            // Only a connection that is still used answers a ping.
            if !isCurrent { portal.detach(connection, key, at: now) }
        }
    }

    // MARK: Look-ups

    /// Looks for an endpoint at a machine, as a client of it would.
    package func lookUp(_ index: Int, at asker: Int) {
        let portal = portals[asker]
        guard portal.isRunning(at: now), portal.machine.isServing else { return }
        let endpoint = endpoints[index]
        let search = Search(endpoint: index, beganAt: now, expected: expectedHolder(of: index, for: asker))
        if portal.connections[endpoint.key] != nil, portal.machine.ownClaims[endpoint.key] != nil {
            record(search, asker, .reached(asker))
            return
        }
        let number = Int.random(in: 0..<max(1, plan.tokenCount), using: &random)
        let target: ClusterTarget =
            endpoint.isHidden
            ? .token(SimulatedEndpoint.token(of: index, number, day: endpoint.day), by: nil)
            : .id(endpoint.key)
        var id: LookUpID?
        call(portal) { id = $0.lookUp(target, for: .member(endpoint.key), at: self.now) }
        guard let id else { return record(search, asker, .refused) }
        searches[asker, default: [:]][id] = search
    }

    /// Where an endpoint has been announced for a second, if that machine and the asker have been well for as long.
    private func expectedHolder(of index: Int, for asker: Int) -> Int? {
        guard let attachment = endpoints[index].attachment, now - attachment.since >= .seconds(1),
            !twins.contains(index), isWell(asker), isWell(attachment.portal)
        else { return nil }
        return attachment.portal
    }

    private func isWell(_ index: Int) -> Bool {
        portals[index].isRunning(at: now) && now - portals[index].healthySince >= .seconds(1)
            && portals[index].machine.isServing
    }

    func reach(_ id: LookUpID, _ candidate: Candidate, from portal: SimulatedPortal) {
        guard let other = indices[candidate.machine], portal.links.contains(other), portals[other].isAlive,
            network.reaches(from: portal.index, to: other, .link)
        else {
            events.add(.tried(portal: portal.index, id, candidate), at: now + .milliseconds(1))
            return
        }
        // There and back, and once more through the endpoint.
        let time: TimeAmount = portals[other].isRunning(at: now) ? .milliseconds(1) : .seconds(1)
        events.add(.tried(portal: portal.index, id, candidate), at: now + time)
    }

    func tried(_ id: LookUpID, _ candidate: Candidate, at asker: Int) {
        let portal = portals[asker]
        guard searches[asker]?[id] != nil else { return }
        guard let other = indices[candidate.machine], portal.links.contains(other),
            portals[other].isRunning(at: now),
            network.reaches(from: asker, to: other, .link)
        else { return call(portal) { $0.failed(id, .noLink, at: self.now) } }
        guard let connection = portals[other].connections[candidate.key],
            let index = portals[other].endpoints[connection],
            endpoints[index].attachment?.connection == connection,
            endpoints[index].attachment?.portal == other
        else { return call(portal) { $0.failed(id, .refused, at: self.now) } }
        call(portal) { $0.endLookUp(id) }
        end(id, at: portal, .reached(other))
    }

    func end(_ id: LookUpID, at portal: SimulatedPortal, _ result: History.Result) {
        guard let search = searches[portal.index]?.removeValue(forKey: id) else { return }
        record(search, portal.index, result)
    }

    private func record(_ search: Search, _ asker: Int, _ result: History.Result) {
        let lookUp = History.LookUp(
            endpoint: search.endpoint, asker: asker, beganAt: search.beganAt, endedAt: now, result: result,
            expected: search.expected)
        history.lookUps.append(lookUp)
        guard search.expected != nil else { return }
        later(.seconds(1)) { $0.judge(lookUp) }
    }

    /// A second after its end it is known whether a look-up had to find its endpoint: one that shares its key with
    /// another process since then need not be where it was.
    private func judge(_ lookUp: History.LookUp) {
        guard !twins.contains(lookUp.endpoint),
            let expected = lookUp.expected, let attachment = endpoints[lookUp.endpoint].attachment,
            attachment.portal == expected, attachment.since <= lookUp.beganAt - .seconds(1),
            portals[expected].healthySince <= lookUp.beganAt - .seconds(1),
            portals[lookUp.asker].healthySince <= lookUp.beganAt - .seconds(1),
            portals[expected].isRunning(at: now), portals[lookUp.asker].isRunning(at: now),
            lookUp.result != .reached(expected)
        else { return }
        history.violate(
            "a",
            "endpoint \(lookUp.endpoint) stood at \(expected), a look-up at \(lookUp.asker) ended with \(lookUp.result) after \(lookUp.time)"
        )
    }
}
