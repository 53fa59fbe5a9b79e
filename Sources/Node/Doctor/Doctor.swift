internal import Connection
internal import Blinding
internal import Invitation
package import Keyring
package import Logging
internal import Multiserver
internal import MuxRPC
package import NIOCore
internal import PortalCore
internal import SecretHandshake
internal import Synchronization
internal import Transport
internal import Tunnel
package import TypedSodium

/// Goes all the ways that a node depends on, hop by hop, and says of each what it found and what to do about it.
package struct Doctor: Sendable {
    /// Clocks that differ by less cannot spoil anything: values of the neighbouring days are accepted too.
    private static let smallClockDifference: UInt64 = 3_600

    private let identity: Identity
    private let keyring: Keyring
    private let settings: Settings
    private let servingProcess: Int?
    private let membership: MemberAdvice
    private let logger: Logger
    private let report: @Sendable (Finding) throws -> Void

    /// A doctor; `servingProcess` is the node that serves from this keyring just now, portals see `outerKey`, and `report`
    /// is told each finding.
    package init(
        identity: Identity, keyring: Keyring, settings: Settings, servingProcess: Int?,
        outerKey: Caller.OuterKey = .fresh, logger: Logger,
        report: @escaping @Sendable (Finding) throws -> Void
    ) {
        self.identity = identity
        self.keyring = keyring
        self.settings = settings
        self.servingProcess = servingProcess
        membership = MemberAdvice(identity: identity, outerKey: outerKey)
        self.logger = logger
        self.report = report
    }

    private var caller: Caller { caller(membership.outerKey) }

    private func caller(_ outerKey: Caller.OuterKey) -> Caller {
        Caller(identity: identity, outerKey: outerKey, network: settings.network)
    }

    // MARK: This node

    /// Looks at the keyring, at each portal of this node, and at whether this node is announced there; where it does not
    /// serve, at the ways to all friends.
    ///
    /// - Throws: what `report` throws.
    package func examineNode(on eventLoop: any EventLoop) async throws {
        try report(Finding("identity", .good, "this node is \(identity.publicKey.id)"))
        let keyring = keyring
        let (portals, friends, openCount) = try await Blocking.run {
            let portals = try keyring.portals.announced()
            return (portals, try keyring.friends.all(), try keyring.invites.all().count { $0.closing == nil })
        }
        try report(
            Finding(
                "keyring", .good, "friends: \(friends.count), open invites: \(openCount), every value intact")
        )
        try examineKeyring()
        let reached = friends.filter { $0.reach != nil }
        let onlyCalls =
            servingProcess == nil && openCount == 0 && !reached.isEmpty
            && friends.allSatisfy { $0.admission == nil }
        if onlyCalls {
            try report(Finding("serve", .good, "this node only calls: nobody is to be served by it"))
        } else {
            try report(
                servingProcess.map { Finding("serve", .good, "process \($0) serves from this keyring") }
                    ?? Finding("serve", .odd, "no node serves from this keyring", remedy: "run `cway serve`"))
        }
        for (number, offer) in settings.instances.sorted(by: { $0.key < $1.key }) {
            let names = offer.services.map(\.name).joined(separator: ", ")
            try report(Finding("instance \(number)", .good, "the settings have it offer \(names)"))
        }
        if portals.isEmpty, !onlyCalls {
            try report(Finding("portals", .odd, "there is none", remedy: "run `cway portals add ADDRESS`"))
        }
        for portal in portals { try await examine(hostsOf: portal, on: eventLoop) }
        if servingProcess == nil {
            for friend in reached { try await examine(friend, on: eventLoop) }
        }
        try examineClock()
        // Last, for a portal's word on the clock is needed where there is anything to mend.
        guard !keyring.isCopy else { return }
        let check = AddressCheck(keyring: keyring, portals: portals.map(\.portal.atFirstHost))
        for finding in try await Blocking.run({ try check.findings(now: WallClock.seconds()) }) {
            try report(finding)
        }
    }

    private func examineKeyring() throws {
        if keyring.isCopy {
            try report(
                Finding(
                    "keyring", .bad, "it is a copy, from which no node serves",
                    remedy: "run `cway keyring restore`"))
        }
    }

    /// After the portals, because one that agrees settles it.
    private func examineClock() throws {
        if case .unconfirmed = keyring.clock.verdict {
            try report(
                Finding(
                    "clock", .odd, "it is more than two days from when it was last known to be right",
                    remedy: "set the clock; a portal that agrees settles it, or --trust-clock"))
        }
    }

    /// Looks at every host of a portal; where one does, the others are odd at the worst.
    private func examine(hostsOf portal: PortalRecord, on eventLoop: any EventLoop) async throws {
        guard !portal.portal.others.isEmpty else { return try await examine(portal.portal, on: eventLoop) }
        var found: [[Finding]] = []
        for host in portal.portal.places {
            let findings = Mutex([Finding]())
            let doctor = Doctor(
                identity: identity, keyring: keyring, settings: settings, servingProcess: servingProcess,
                outerKey: membership.outerKey, logger: logger
            ) { finding in findings.withLock { $0.append(finding) } }
            try await doctor.examine(host, on: eventLoop)
            found.append(findings.withLock(\.self))
        }
        let works = found.contains { !$0.contains { $0.verdict == .bad } }
        for finding in found.joined() { try report(works ? finding.notBad : finding) }
    }

    private func examine(_ portal: PortalAddress, on eventLoop: any EventLoop) async throws {
        let address = try portal.peer()
        let hop = "portal \(address.net.hostAndPort)"
        _ = try await reach(
            address, namedBy: .owner, hop: hop, as: membership.outerKey(at: portal), isOpen: portal.isOpen,
            on: eventLoop
        ) { link in
            if !portal.isOpen { try await examineFeatures(of: link, hop: hop) }
            if servingProcess != nil { try await examineAnnouncement(at: portal, over: link, hop: hop) }
        }
    }

    private func examineFeatures(of link: NodeLink, hop: String) async throws {
        let reply = try? await link.call(["room", "metadata"])
        if case .failure(let error)? = reply, let busy = HopFailure(busy: error) {
            return try report(Finding(hop, busy))
        }
        var knowsTokens = false
        if case .value(let json)? = reply, let features = json["features"]?.array {
            knowsTokens = features.contains(.string(PortalCall.hidingFeature))
        }
        guard !knowsTokens else { return }
        try report(
            Finding(
                hop, .bad, "it cannot keep a node hidden",
                remedy: "use another portal, or announce openly there with `cway portals open`"))
    }

    /// Calls this node as somebody whom it does not know: the hello it answers with shows that the portal can call it.
    private func examineAnnouncement(
        at portal: PortalAddress, over link: NodeLink, hop: String
    ) async throws {
        let (identity, keyring) = (identity, keyring)
        let (token, shownKey): (PairToken?, PublicKey?) = try await Blocking.run {
            guard !portal.isOpen else { return (nil, nil) }
            let entries = Entries(identity: identity)
            _ = try entries.update(from: keyring)
            let epoch = Epoch(unixSeconds: WallClock.seconds())
            let token = entries.tokens(portal: portal.key, epochs: [epoch]).keys.first
            return (token, try Pseudonym.identity(of: identity, at: portal.key).publicKey)
        }
        do {
            let session = try await link.openTunnel(to: identity.publicKey, token: token, by: shownKey)
            link.closeTunnel(session)
            try report(Finding(hop, .good, "this node is announced, and lets itself in"))
        } catch SessionFailure.targetNotThere(let words) where BusyTime.isBusy(words) {
            try report(Finding(hop, .busy(words)))
        } catch SessionFailure.targetNotThere(ErrorText.membersCall) {
            try report(membership.unasked(hop, at: portal))
        } catch SessionFailure.targetNotThere(let words) {
            try report(
                Finding(
                    hop, .bad, "this node is not announced there (\(words))",
                    remedy: membership.announcementRemedy(at: portal)))
        } catch SessionFailure.refused(answered: true) {
            let manner = portal.isOpen ? "under its id" : "hidden, and today's tokens lead to it"
            try report(Finding(hop, .good, "this node is announced \(manner)"))
        } catch {
            try report(
                Finding(
                    hop, .odd,
                    "whether this node is announced cannot be told (\(ErrorWords.text(of: error)))",
                    remedy: "run `cway doctor` again"))
        }
    }

    // MARK: A friend

    /// Goes the way to an instance of a friend, through each portal that is known for them.
    ///
    /// - Throws: what `report` throws, or `KeyringError`.
    package func examine(_ friend: Friend, instance: Int = 0, on eventLoop: any EventLoop) async throws {
        guard let reach = friend.reach, !reach.portals.isEmpty else {
            try report(
                Finding(
                    "friend \(friend.name)", .odd, "they may reach this node, and have not invited it back",
                    remedy: "ask them for an invite, and run `cway join`"))
            return
        }
        if reach.isPending {
            try report(
                Finding(
                    "friend \(friend.name)", .odd, "their invite is not redeemed yet",
                    remedy: "run `cway join` again when their node is online"))
        }
        let (keyring, settings) = (keyring, settings)
        let places = try await Blocking.run {
            try AddressAuthors(settings: settings.portals, keyring: keyring, allowsLocal: settings.allowLocal)
                .addingHosts(of: reach.portals)
        }
        for place in places {
            try await examine(friend, instance: instance, at: place, on: eventLoop)
        }
    }

    private func examine(
        _ friend: Friend, instance: Int, at portal: PortalAddress, on eventLoop: any EventLoop
    ) async throws {
        let address = try portal.peer()
        let place = instance == 0 ? "" : ", instance \(instance),"
        let hop = "friend \(friend.name)\(place) at \(address.net.hostAndPort)"
        let (identity, keyring, settings) = (identity, keyring, settings)
        let (author, route) = try await Blocking.run {
            let authors = try AddressAuthors(
                settings: settings.portals, keyring: keyring, allowsLocal: settings.allowLocal)
            let route = try RouteResolver.route(
                to: friend.key, through: [portal], namedBy: authors, as: identity, instance: instance)
            return (authors.author(of: address), route)
        }
        guard
            try await reach(
                address, namedBy: author, hop: hop, as: membership.outerKey, on: eventLoop, { _ in })
        else { return }
        let start = ContinuousClock.now
        let connection: PeerConnection
        do {
            connection = try await caller.connect(route, on: eventLoop)
        } catch let failure as HopFailure {
            return try report(
                membership.finding(hop, failure, at: portal.key.publicKey) ?? Finding(hop, failure))
        }
        let time = ContinuousClock.now - start
        try await closing(connection.close) {
            do {
                try report(Finding(hop, .good, "connected in \(Self.text(time))"))
                try await examineServices(over: connection, hop: hop)
                try await examineGrant(of: friend, over: connection, hop: hop)
            } catch let failure as HopFailure {
                try report(Finding(hop, failure))
            }
        }
    }

    private func examineServices(over connection: PeerConnection, hop: String) async throws {
        let reply = try? await connection.link.call(["service", "list"], on: connection.session)
        guard case .value(let json)? = reply, let names = json.array?.compactMap(\.string) else {
            try report(
                Finding(
                    hop, .odd, "it does not say which services it offers",
                    remedy: "ask its owner to look at the node, or to update it"))
            return
        }
        guard !names.isEmpty else {
            try report(
                Finding(
                    hop, .odd, "it offers no service to this node",
                    remedy:
                        "ask its owner to run `cway friend allow`, or to serve one; those of another instance "
                        + "are seen with --instance"))
            return
        }
        try report(Finding(hop, .good, "it offers \(names.joined(separator: ", "))"))
    }

    private func examineGrant(
        of friend: Friend, over connection: PeerConnection, hop: String
    ) async throws {
        let visit = FriendVisit(keyring: keyring, friend: friend.key, logger: logger)
        let outcome: GrantOutcome?
        do {
            outcome = try await visit.fetchGrant(over: connection)
        } catch let error as GrantError {
            try report(Finding(hop, failure: "\(error)"))
            return
        }
        switch outcome {
        case .taken?, .kept?:
            try report(Finding(hop, .good, "its sealed addresses can be resolved here"))
        case .older?:
            try report(
                Finding(
                    hop, .odd, "it gave an older grant than the one that is known",
                    remedy: "ask its owner whether their keyring is an old copy"))
        case .clocksDiffer?:
            try report(
                Finding(
                    hop, .bad, "its clock and this one are more than a day apart", remedy: "set the clocks"))
        case nil:
            try report(
                Finding(
                    hop, .odd, "it has no keyring, so it has no sealed addresses",
                    remedy: "call it by its name, or by its plain address"))
        }
    }

    // MARK: Hops

    /// Dials a portal, compares the clocks, and looks further at what stands then; whether it was reached.
    private func reach(
        _ portal: PeerAddress, namedBy author: AddressAuthor, hop: String, as outerKey: Caller.OuterKey,
        isOpen: Bool = false, on eventLoop: any EventLoop,
        _ look: (NodeLink) async throws -> Void
    ) async throws -> Bool {
        let start = ContinuousClock.now
        let link: NodeLink
        do {
            link = try await BusyTime().run { _ in
                try await caller(outerKey).connect(toPortal: portal, namedBy: author, on: eventLoop)
            }
        } catch let failure as HopFailure {
            try report(
                membership.finding(hop, failure, at: portal.key, isOpen: isOpen) ?? Finding(hop, failure))
            return false
        }
        let time = ContinuousClock.now - start
        try await closing(link.close) {
            try report(Finding(hop, .good, "reached in \(Self.text(time))"))
            try await compareClocks(over: link, hop: hop)
            try await look(link)
        }
        return true
    }

    /// Does something with what stands, and closes it whatever came of that.
    ///
    /// The closing is waited for: the caller stops the event loop when all is looked at.
    private func closing(_ close: () async -> Void, after body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            await close()
            throw error
        }
        await close()
    }

    private func compareClocks(over link: NodeLink, hop: String) async throws {
        if let theirs = await ClockCheck.unixSeconds(of: link) {
            let ours = WallClock.seconds()
            let difference = max(theirs, ours) - min(theirs, ours)
            let keyring = keyring
            if !keyring.isCopy {
                _ = try await Blocking.run { try keyring.clock.confirm(portalUnixSeconds: theirs, now: ours) }
            }
            if difference >= Self.smallClockDifference {
                try report(
                    Finding(
                        hop, difference > 86_400 ? .bad : .odd,
                        "its clock and this one are \(difference) s apart",
                        remedy: "set the clock of whichever is wrong"))
            }
        }
    }

    private static func text(_ duration: Duration) -> String {
        let tenths = (duration / .milliseconds(1) * 10).rounded() / 10
        return "\(tenths) ms"
    }
}
