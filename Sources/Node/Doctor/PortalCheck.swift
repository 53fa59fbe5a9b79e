internal import Blinding
internal import Connection
internal import Invitation
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import PortalCore
internal import Synchronization
internal import Transport
internal import Tunnel
internal import TypedSodium

/// Looks at a portal of this node: that it answers, that it can do what is asked of it, and that this node is announced.
struct PortalCheck: Sendable {
    let hops: HopCheck
    let portal: PortalRecord
    /// Whether a node serves from this keyring, so that it has to be announced.
    let isServing: Bool

    /// Looks at every host of a portal; where one does, the others are odd at the worst.
    ///
    /// - Throws: what the report throws, or `KeyringError`.
    func run(on eventLoop: any EventLoop) async throws {
        guard !portal.portal.others.isEmpty else { return try await examine(portal.portal, on: eventLoop) }
        var found: [[Finding]] = []
        for host in portal.portal.places {
            let findings = Mutex([Finding]())
            let check = PortalCheck(
                hops: hops.reporting { finding in findings.withLock { $0.append(finding) } },
                portal: portal, isServing: isServing)
            try await check.examine(host, on: eventLoop)
            found.append(findings.withLock(\.self))
        }
        let works = found.contains { !$0.contains { $0.verdict == .bad } }
        for finding in found.joined() { try hops.report(works ? finding.notBad : finding) }
    }

    private func examine(_ portal: PortalAddress, on eventLoop: any EventLoop) async throws {
        let address = try portal.peer()
        let hop = "portal \(address.net.hostAndPort)"
        _ = try await hops.reach(
            address, namedBy: .owner, hop: hop, as: hops.membership.outerKey(at: portal),
            isOpen: portal.isOpen,
            on: eventLoop
        ) { link in
            if !portal.isOpen { try await examineFeatures(of: link, hop: hop) }
            if let traffic = await MemberTraffic.ask(over: link) { try hops.report(Finding(hop, traffic)) }
            if isServing { try await examineAnnouncement(at: portal, over: link, hop: hop) }
        }
    }

    private func examineFeatures(of link: NodeLink, hop: String) async throws {
        let reply = try? await link.call(Method.metadata.name)
        if case .failure(let error)? = reply, let busy = HopFailure(busy: error) {
            return try hops.report(Finding(hop, busy))
        }
        var knowsTokens = false
        if case .value(let json)? = reply, let features = json["features"]?.array {
            knowsTokens = features.contains(.string(Feature.hiding.rawValue))
        }
        guard !knowsTokens else { return }
        try hops.report(
            Finding(
                hop, .bad, "it cannot keep a node hidden",
                remedy: "use another portal, or announce openly there with `cway portals open`"))
    }

    /// Calls this node as somebody whom it does not know: the hello it answers with shows that the portal can call it.
    private func examineAnnouncement(
        at portal: PortalAddress, over link: NodeLink, hop: String
    ) async throws {
        let (identity, keyring) = (hops.identity, hops.keyring)
        let (token, shownKey): (PairToken?, PublicKey?) = try await Blocking.run {
            guard !portal.isOpen else { return (nil, nil) }
            let entries = Entries(identity: identity)
            _ = try entries.update(from: keyring)
            let epoch = Epoch(unixSeconds: WallClock.seconds())
            let token = entries.tokens(portal: portal.key, epochs: [epoch]).keys.first
            return (token, try Pseudonym.identity(of: identity, at: portal.key).publicKey)
        }
        do {
            let session = try await link.openTunnel(to: hops.identity.publicKey, token: token, by: shownKey)
            link.closeTunnel(session)
            try hops.report(Finding(hop, .good, "this node is announced, and lets itself in"))
        } catch SessionFailure.targetNotThere(let words) where BusyTime.isBusy(words) {
            try hops.report(Finding(hop, .busy(words)))
        } catch SessionFailure.targetNotThere(ErrorText.membersCall) {
            try hops.report(hops.membership.unasked(hop, at: portal))
        } catch SessionFailure.targetNotThere(let words) {
            try hops.report(
                Finding(
                    hop, .bad, "this node is not announced there (\(words))",
                    remedy: hops.membership.announcementRemedy(at: portal)))
        } catch SessionFailure.refused(answered: true) {
            let manner = portal.isOpen ? "under its id" : "hidden, and today's tokens lead to it"
            try hops.report(Finding(hop, .good, "this node is announced \(manner)"))
        } catch {
            try hops.report(
                Finding(
                    hop, .odd,
                    "whether this node is announced cannot be told (\(ErrorWords.text(of: error)))",
                    remedy: "run `cway doctor` again"))
        }
    }
}
