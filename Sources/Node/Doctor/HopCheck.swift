internal import Keyring
internal import Multiserver
internal import NIOCore
internal import SecretHandshake
internal import Transport
internal import Tunnel
internal import TypedSodium

/// What every check of a hop does: it dials, compares clocks, closes what it has opened, and reports what it finds.
struct HopCheck: Sendable {
    /// Clocks that differ by less cannot spoil anything: values of the neighbouring days are accepted too.
    private static let smallClockDifference: UInt64 = 3_600

    let identity: Identity
    let keyring: Keyring
    let network: NetworkIdentifier
    let membership: MemberAdvice
    let report: @Sendable (Finding) throws -> Void

    /// The same, with another ear for what it finds.
    func reporting(to report: @escaping @Sendable (Finding) throws -> Void) -> HopCheck {
        HopCheck(
            identity: identity, keyring: keyring, network: network, membership: membership, report: report)
    }

    /// Who dials, as the portal sees it.
    func caller(showing outerKey: Caller.OuterKey) -> Caller {
        Caller(identity: identity, outerKey: outerKey, network: network)
    }

    /// Dials a portal, compares the clocks, and looks further at what stands then; whether it was reached.
    func reach(
        _ portal: PeerAddress, namedBy author: AddressAuthor, hop: String, as outerKey: Caller.OuterKey,
        isOpen: Bool = false, on eventLoop: any EventLoop,
        _ look: (NodeLink) async throws -> Void
    ) async throws -> Bool {
        let start = ContinuousClock.now
        let link: NodeLink
        do {
            link = try await BusyTime().run { _ in
                try await caller(showing: outerKey).connect(
                    toPortal: portal, namedBy: author, on: eventLoop)
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
    func closing(_ close: () async -> Void, after body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            await close()
            throw error
        }
        await close()
    }

    private func compareClocks(over link: NodeLink, hop: String) async throws {
        guard let theirs = await ClockCheck.unixSeconds(of: link) else { return }
        let ours = WallClock.seconds()
        let difference = max(theirs, ours) - min(theirs, ours)
        let keyring = keyring
        if !keyring.isCopy {
            _ = try await Blocking.run { try keyring.clock.confirm(portalUnixSeconds: theirs, now: ours) }
        }
        guard difference >= Self.smallClockDifference else { return }
        try report(
            Finding(
                hop, difference > 86_400 ? .bad : .odd, "its clock and this one are \(difference) s apart",
                remedy: "set the clock of whichever is wrong"))
    }

    /// A time as findings say it.
    static func text(_ duration: Duration) -> String {
        let tenths = (duration / .milliseconds(1) * 10).rounded() / 10
        return "\(tenths) ms"
    }
}
