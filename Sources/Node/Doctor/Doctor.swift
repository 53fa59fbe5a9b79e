internal import Invitation
package import Keyring
package import Logging
internal import Multiserver
package import NIOCore
package import TypedSodium

/// Goes all the ways that a node depends on, hop by hop, and says of each what it found and what to do about it.
///
/// ``PortalCheck``, ``FriendCheck`` and ``AddressCheck`` know the hops; this is their order.
package struct Doctor: Sendable {
    private let hops: HopCheck
    private let settings: Settings
    private let servingProcess: Int?
    private let logger: Logger

    /// A doctor; `servingProcess` is the node that serves from this keyring just now, portals see `outerKey`, and `report`
    /// is told each finding.
    package init(
        identity: Identity, keyring: Keyring, settings: Settings, servingProcess: Int?,
        outerKey: Caller.OuterKey = .fresh, logger: Logger,
        report: @escaping @Sendable (Finding) throws -> Void
    ) {
        hops = HopCheck(
            identity: identity, keyring: keyring, network: settings.network,
            membership: MemberAdvice(identity: identity, outerKey: outerKey), report: report)
        self.settings = settings
        self.servingProcess = servingProcess
        self.logger = logger
    }

    /// Looks at the keyring, at each portal of this node, and at whether this node is announced there; where it does not
    /// serve, at the ways to all friends.
    ///
    /// - Throws: what `report` throws.
    package func examineNode(on eventLoop: any EventLoop) async throws {
        try hops.report(Finding("identity", .good, "this node is \(hops.identity.publicKey.id)"))
        let keyring = hops.keyring
        let (portals, friends, openCount) = try await Blocking.run {
            let portals = try keyring.portals.announced()
            return (portals, try keyring.friends.all(), try keyring.invites.all().count { $0.closing == nil })
        }
        try hops.report(
            Finding(
                "keyring", .good, "friends: \(friends.count), open invites: \(openCount), every value intact")
        )
        try examineKeyring()
        let reached = friends.filter { $0.reach != nil }
        let onlyCalls =
            servingProcess == nil && openCount == 0 && !reached.isEmpty
            && friends.allSatisfy { $0.admission == nil }
        if onlyCalls {
            try hops.report(Finding("serve", .good, "this node only calls: nobody is to be served by it"))
        } else {
            try hops.report(
                servingProcess.map { Finding("serve", .good, "process \($0) serves from this keyring") }
                    ?? Finding("serve", .odd, "no node serves from this keyring", remedy: "run `cway serve`"))
        }
        for (number, offer) in settings.instances.sorted(by: { $0.key < $1.key }) {
            let names = offer.services.map(\.name).joined(separator: ", ")
            try hops.report(Finding("instance \(number)", .good, "the settings have it offer \(names)"))
        }
        if portals.isEmpty, !onlyCalls {
            try hops.report(
                Finding("portals", .odd, "there is none", remedy: "run `cway portals add ADDRESS`"))
        }
        for portal in portals {
            try await PortalCheck(hops: hops, portal: portal, isServing: servingProcess != nil).run(
                on: eventLoop)
        }
        if servingProcess == nil {
            for friend in reached { try await examine(friend, on: eventLoop) }
        }
        try examineClock()
        // Last, for a portal's word on the clock is needed where there is anything to mend.
        guard !keyring.isCopy else { return }
        let check = AddressCheck(keyring: keyring, portals: portals.map(\.portal.atFirstHost))
        for finding in try await Blocking.run({ try check.findings(now: WallClock.seconds()) }) {
            try hops.report(finding)
        }
    }

    /// Goes the way to an instance of a friend, through each portal that is known for them.
    ///
    /// - Throws: what `report` throws, or `KeyringError`.
    package func examine(_ friend: Friend, instance: Int = 0, on eventLoop: any EventLoop) async throws {
        let check = FriendCheck(
            hops: hops, friend: friend, instance: instance, portals: settings.portals,
            allowsLocal: settings.allowLocal, logger: logger)
        try await check.run(on: eventLoop)
    }

    private func examineKeyring() throws {
        if hops.keyring.isCopy {
            try hops.report(
                Finding(
                    "keyring", .bad, "it is a copy, from which no node serves",
                    remedy: "run `cway keyring restore`"))
        }
    }

    /// After the portals, because one that agrees settles it.
    private func examineClock() throws {
        if case .unconfirmed = hops.keyring.clock.verdict {
            try hops.report(
                Finding(
                    "clock", .odd, "it is more than two days from when it was last known to be right",
                    remedy: "set the clock; a portal that agrees settles it, or --trust-clock"))
        }
    }
}
