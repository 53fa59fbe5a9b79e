internal import Account
internal import Blinding
internal import Relay
internal import Sodium
internal import Synchronization
internal import Tunnel

/// Which tunnels a portal's connections are ends of, and who gives way where places or memory are short.
extension Portal {
    /// A tunnel that was opened.
    struct OpenedTunnel {
        let tunnel: PortalTunnel
        /// The tunnel that has to go for it.
        var displaced: PortalTunnel?
        /// The connections that can be asked next, where this one refuses.
        var others: [ConnectionID] = []
    }

    /// Joins a client's connection to the first on which its target is announced, or to the first of `candidates`.
    ///
    /// `argumentByteCount` is how long the argument is that goes to the endpoint, which may wait for that.
    ///
    /// - Throws: ``ConnectRefusal``.
    func openTunnel(
        _ request: ConnectRequest, from client: ConnectionID, of caller: PublicKey, argumentByteCount: Int,
        among candidates: [ConnectionID]? = nil
    ) throws(ConnectRefusal) -> OpenedTunnel {
        try tables.withLock { tables throws(ConnectRefusal) in
            guard tables.policy.letsCall(caller) else { throw .membersOnly }
            let found =
                candidates
                ?? tables.directory.connections(of: request.target, provedBy: request.announcer)
            var others = found.filter { $0 != client }[...]
            // By one of its own tokens, which no key in the request shows.
            guard found.isEmpty || !others.isEmpty else { throw .toSelf }
            // Absent, hidden, unknown: whatever is not to be found ends here.
            var refusal = ConnectRefusal.unreachable(request.targetText)
            while let endpoint = others.popFirst() {
                do throws(ConnectRefusal) {
                    var opened = try openTunnel(
                        request, from: client, of: caller, argumentByteCount: argumentByteCount,
                        to: endpoint, in: &tables)
                    opened.others = Array(others)
                    return opened
                } catch {
                    refusal = error
                }
            }
            throw refusal
        }
    }

    private func openTunnel(
        _ request: ConnectRequest, from client: ConnectionID, of caller: PublicKey, argumentByteCount: Int,
        to endpoint: ConnectionID, in tables: inout Tables
    ) throws(ConnectRefusal) -> OpenedTunnel {
        guard let near = tables.members[client], let far = tables.members[endpoint], let target = far.peer,
            tables.policy.letsAnnounce(target)
        else { throw .unreachable(request.targetText) }
        guard near.tunnels.count < settings.tunnelLimit else { throw .tooManyTunnels }
        let causer = PortalAccounts.Causer(
            of: caller, standing: tables.policy.standing(of: caller), calling: request.target,
            from: near.source)
        let account = accounts.account(of: causer, on: client).open()
        guard let charge = account.charge(PortalTunnel.costByteCount(argumentByteCount)) else {
            throw .busy
        }
        let displaced = try tables.takePlace(at: endpoint, for: causer, limit: settings.tunnelLimit)
        let cause = PortalTunnel.Cause(
            causer: causer, source: near.source, account: account, charge: charge, load: far.load)
        tables.tunnelCount += 1
        let id = TunnelID(tables.tunnelCount)
        let tunnel = PortalTunnel(
            id: id,
            client: PortalTunnel.End(
                connection: client, peer: caller, mailbox: near.mailbox, flow: makeFlow(id, cause)),
            endpoint: PortalTunnel.End(
                connection: endpoint, peer: target, mailbox: far.mailbox, flow: makeFlow(id, cause)),
            cause: cause)
        tables.insert(tunnel)
        return OpenedTunnel(tunnel: tunnel, displaced: displaced)
    }

    private func makeFlow(_ tunnel: TunnelID, _ cause: PortalTunnel.Cause) -> TunnelFlow {
        TunnelFlow(
            tunnel: tunnel, account: cause.account, causer: accounts.account(of: cause.causer),
            load: cause.load, limitByteCount: settings.tunnelQueueByteCount)
    }

    /// A connection is no end of the tunnel any more.
    func forget(_ tunnel: TunnelID, on connection: ConnectionID) {
        tables.withLock { $0.forget(tunnel, on: connection) }
    }

    // MARK: Memory

    /// The tunnel that has to give way where there is no memory for more of a tunnel: one that holds much more in the
    /// name of who holds much more, or else the tunnel itself.
    func tunnel(givingWayTo tunnel: PortalTunnel, for byteCount: Int) -> PortalTunnel {
        let account = tunnel.cause.account
        guard let contention = account.contention(for: byteCount) else { return tunnel }
        let victim = tables.withLock { tables in
            contention.largestLeafID { tables.byAccount[$0] != nil }.flatMap { tables.byAccount[$0] }
        }
        guard let victim, account.outweighs(victim.cause.account, with: byteCount), victim.pledge(byteCount)
        else { return tunnel }
        return victim
    }

    /// The tunnel that has to go because its endpoint's tunnels hold too much: the largest of the largest caller.
    func largestTunnel(at endpoint: ConnectionID) -> PortalTunnel? {
        let tunnels = tables.withLock { tables in
            tables.members[endpoint]?.tunnels.values.filter { $0.endpoint.connection == endpoint } ?? []
        }
        let byCauser = Dictionary(grouping: tunnels.map { ($0, $0.queuedByteCount) }, by: \.0.cause.causer)
        let caller = byCauser.values.max { $0.sum < $1.sum }
        return caller?.max { ($0.1, $1.0.id) < ($1.1, $0.0.id) }?.0
    }
}

extension [(PortalTunnel, Int)] {
    fileprivate var sum: Int { reduce(0) { $0 + $1.1 } }
}

extension PortalAccounts.Causer {
    /// To whom a tunnel is charged.
    fileprivate init(
        of caller: PublicKey, standing: PortalPolicy.Standing, calling target: ConnectTarget,
        from source: String
    ) {
        switch (standing, target) {
        case (.member, _): self = .member(caller)
        case (_, .token(let token)): self = .token(token.bytes)
        default: self = .source(source)
        }
    }
}

extension Portal.Member {
    /// Forgets a tunnel; whether it was there.
    mutating func forget(_ tunnel: TunnelID, on connection: ConnectionID) -> PortalTunnel? {
        guard let gone = tunnels.removeValue(forKey: tunnel) else { return nil }
        if gone.endpoint.connection == connection {
            places?.release(for: gone.cause.causer)
        }
        return gone
    }
}

extension Portal.Tables {
    /// Takes a place at an endpoint; the tunnel that has to go for it, which is forgotten at once.
    mutating func takePlace(
        at endpoint: ConnectionID, for causer: PortalAccounts.Causer, limit: Int
    ) throws(ConnectRefusal) -> PortalTunnel? {
        var places = members[endpoint]?.places ?? EndpointPlaces(limit: limit)
        let outcome = places.take(for: causer)
        members[endpoint]?.places = places
        switch outcome {
        case .taken: return nil
        case .busy: throw .busy
        case .instead(let other):
            let tunnels = members[endpoint]?.tunnels.values.filter {
                $0.endpoint.connection == endpoint && $0.cause.causer == other
            }
            guard let newest = tunnels?.max(by: { $0.id < $1.id }) else { throw .busy }
            forget(newest.id, on: newest.client.connection)
            forget(newest.id, on: endpoint)
            newest.close()
            guard members[endpoint]?.places?.take(for: causer) == .taken else { throw .busy }
            return newest
        }
    }

    mutating func insert(_ tunnel: PortalTunnel) {
        members[tunnel.client.connection]?.tunnels[tunnel.id] = tunnel
        members[tunnel.endpoint.connection]?.tunnels[tunnel.id] = tunnel
        byAccount[tunnel.cause.account.id] = tunnel
    }

    mutating func forget(_ tunnel: TunnelID, on connection: ConnectionID) {
        guard let gone = members[connection]?.forget(tunnel, on: connection) else { return }
        forgetAccount(of: gone, goneFrom: connection)
    }

    /// Forgets whose account it was once both ends are gone.
    mutating func forgetAccount(of tunnel: PortalTunnel, goneFrom connection: ConnectionID) {
        let far = tunnel.end(acrossFrom: connection).connection
        if members[far]?.tunnels[tunnel.id] == nil { byAccount[tunnel.cause.account.id] = nil }
    }
}
