internal import Blinding
internal import Connection
internal import Invitation
internal import Keyring
internal import Logging
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import Transport
internal import Tunnel
internal import TypedSodium

/// Looks at the way to an instance of a friend, and at what the friend's node says when it is reached.
struct FriendCheck: Sendable {
    let hops: HopCheck
    let friend: Friend
    let instance: Int
    /// Those of the settings.
    let portals: [PeerAddress]
    let allowsLocal: Bool
    let logger: Logger

    /// Goes the way there, through each portal that is known for them.
    ///
    /// - Throws: what the report throws, or `KeyringError`.
    func run(on eventLoop: any EventLoop) async throws {
        guard let reach = friend.reach, !reach.portals.isEmpty else {
            try hops.report(
                Finding(
                    "friend \(friend.name)", .odd, "they may reach this node, and have not invited it back",
                    remedy: "ask them for an invite, and run `cway join`"))
            return
        }
        if reach.isPending {
            try hops.report(
                Finding(
                    "friend \(friend.name)", .odd, "their invite is not redeemed yet",
                    remedy: "run `cway join` again when their node is online"))
        }
        let (keyring, portals, allowsLocal) = (hops.keyring, portals, allowsLocal)
        let places = try await Blocking.run {
            try AddressAuthors(settings: portals, keyring: keyring, allowsLocal: allowsLocal)
                .addingHosts(of: reach.portals)
        }
        for place in places {
            try await examine(at: place, on: eventLoop)
        }
    }

    private func examine(at portal: PortalAddress, on eventLoop: any EventLoop) async throws {
        let address = try portal.peer()
        let place = instance == 0 ? "" : ", instance \(instance),"
        let hop = "friend \(friend.name)\(place) at \(address.net.hostAndPort)"
        let (identity, keyring, portals, allowsLocal) = (hops.identity, hops.keyring, portals, allowsLocal)
        let (author, route) = try await Blocking.run {
            let authors = try AddressAuthors(
                settings: portals, keyring: keyring, allowsLocal: allowsLocal)
            let route = try RouteResolver.route(
                to: friend.key, through: [portal], namedBy: authors, as: identity, instance: instance)
            return (authors.author(of: address), route)
        }
        guard
            try await hops.reach(
                address, namedBy: author, hop: hop, as: hops.membership.outerKey, on: eventLoop, { _ in })
        else { return }
        let start = ContinuousClock.now
        let connection: PeerConnection
        do {
            connection = try await hops.caller(showing: hops.membership.outerKey).connect(
                route, on: eventLoop)
        } catch let failure as HopFailure {
            return try hops.report(
                hops.membership.finding(hop, failure, at: portal.key.publicKey) ?? Finding(hop, failure))
        }
        let time = ContinuousClock.now - start
        try await hops.closing(connection.close) {
            do {
                try hops.report(Finding(hop, .good, "connected in \(HopCheck.text(time))"))
                try await examineServices(over: connection, hop: hop)
                try await examineGrant(over: connection, hop: hop)
            } catch let failure as HopFailure {
                try hops.report(Finding(hop, failure))
            }
        }
    }

    private func examineServices(over connection: PeerConnection, hop: String) async throws {
        let reply = try? await connection.link.call(Method.listServices.name, on: connection.session)
        guard case .value(let json)? = reply, let names = json.array?.compactMap(\.string) else {
            try hops.report(
                Finding(
                    hop, .odd, "it does not say which services it offers",
                    remedy: "ask its owner to look at the node, or to update it"))
            return
        }
        guard !names.isEmpty else {
            try hops.report(
                Finding(
                    hop, .odd, "it offers no service to this node",
                    remedy:
                        "ask its owner to run `cway friend allow`, or to serve one; those of another instance "
                        + "are seen with --instance"))
            return
        }
        try hops.report(Finding(hop, .good, "it offers \(names.joined(separator: ", "))"))
    }

    private func examineGrant(over connection: PeerConnection, hop: String) async throws {
        let visit = FriendVisit(keyring: hops.keyring, friend: friend.key, logger: logger)
        let outcome: GrantOutcome?
        do {
            outcome = try await visit.fetchGrant(over: connection)
        } catch let error as GrantError {
            try hops.report(Finding(hop, failure: "\(error)"))
            return
        }
        switch outcome {
        case .taken?, .kept?:
            try hops.report(Finding(hop, .good, "its sealed addresses can be resolved here"))
        case .older?:
            try hops.report(
                Finding(
                    hop, .odd, "it gave an older grant than the one that is known",
                    remedy: "ask its owner whether their keyring is an old copy"))
        case .clocksDiffer?:
            try hops.report(
                Finding(
                    hop, .bad, "its clock and this one are more than a day apart", remedy: "set the clocks"))
        case nil:
            try hops.report(
                Finding(
                    hop, .odd, "it has no keyring, so it has no sealed addresses",
                    remedy: "call it by its name, or by its plain address"))
        }
    }
}
