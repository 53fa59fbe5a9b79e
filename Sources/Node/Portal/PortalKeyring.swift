internal import Blinding
internal import Keyring
internal import Logging
internal import Multiserver
internal import PortalCore
internal import Synchronization
internal import Transport
internal import Tunnel
internal import TypedSodium

/// A portal's own keyring: who may do what there, and the invites by which others become members.
///
/// Every call may wait for the disk: use it through ``Blocking``.
struct PortalKeyring: Sendable {
    /// A policy, with the sequence number of a state of the keyring that it is no older than.
    struct Read: Sendable {
        let sequence: UInt64
        let policy: PortalPolicy
    }

    private let keyring: Keyring
    private let membership: Membership
    private let running: RunningPortal
    private let logger: Logger
    private let order = PolicyOrder()
    private let redemptions = GroupCommit<MemberRequest, Redeemed>()

    private struct Redeemed: Sendable {
        let redemption: Redemption
        let read: Read
        /// Whom the invite was for.
        let label: String
    }

    init(keyring: Keyring, of running: RunningPortal, logger: Logger) {
        self.keyring = keyring
        self.running = running
        membership = Membership(keyring)
        self.logger = logger
    }

    private func read() throws -> Read {
        // Read first: a change in between is seen once more, not lost.
        Read(sequence: try keyring.sequence(), policy: try policy())
    }

    private func put(_ read: Read, inForceAt portal: Portal) {
        order.apply(read.sequence) { portal.update(read.policy) }
    }

    /// The policy to begin with; a portal that runs alone follows the log of a cluster no more.
    func begin() throws -> PortalPolicy {
        if running.policy == nil, try membership.log.leave() {
            logger.notice(
                "this portal was one of several machines, and runs alone from now on",
                metadata: [
                    "remedy": "with --cluster it follows their log again, unless it is changed meanwhile"
                ])
        }
        return try policy()
    }

    /// The policy of this moment.
    func policy() throws -> PortalPolicy {
        let policy = try membership.policy()
        return PortalPolicy(
            announcers: PortalPolicy.Who(policy.announcers), callers: PortalPolicy.Who(policy.callers),
            members: Set(try membership.all().map(\.key)), denied: Set(try membership.denied().map(\.key)),
            invites: Set(try membership.invites.all().map(\.key.publicKey)))
    }

    /// The members, by label; none where they cannot be read.
    func members() async -> [Member] {
        (try? await Blocking.run { [membership] in try membership.all() }) ?? []
    }

    /// Counts a use of an invite and makes its user a member, together with all who ask at the same time; of a portal on
    /// several machines in the log of all of them.
    func redeem(_ invite: PublicKey, for feed: PublicKey, in portal: Portal?) async -> RedeemOutcome {
        do {
            let request = MemberRequest(invite: InviteKey(invite), feed: feed)
            let redeemed = try await redemptions.answer(to: request, awaiting: redeem)
            if let portal { put(redeemed.read, inForceAt: portal) }
            note(redeemed, of: invite, for: feed)
            return RedeemOutcome(redeemed.redemption)
        } catch {
            logger.error(
                "an invite could not be redeemed", metadata: ["reason": "\(ErrorWords.text(of: error))"])
            return .refused("the portal cannot do that now")
        }
    }

    @Sendable private func redeem(_ requests: [MemberRequest]) async throws -> [Redeemed] {
        let shared = try await running.policy?.redeem(requests)
        return try await Blocking.run {
            let redemptions =
                try shared ?? membership.invites.redeem(requests, now: WallClock.seconds())
            let read = try self.read()
            let labels = Dictionary(try membership.invites.all().map { ($0.key, $0.label) }) { $1 }
            return zip(requests, redemptions).map { request, redemption in
                Redeemed(redemption: redemption, read: read, label: labels[request.invite] ?? "")
            }
        }
    }

    private func note(_ redeemed: Redeemed, of invite: PublicKey, for feed: PublicKey) {
        var metadata: Logger.Metadata = ["id": "\(feed.id)", "invite": "\(invite.id)"]
        if !redeemed.label.isEmpty { metadata["label"] = "\(redeemed.label)" }
        switch redeemed.redemption {
        case .admitted:
            logger.notice("an invite was redeemed: this key is a member's", metadata: metadata)
        case .refused(let reason):
            metadata["reason"] = "\(reason.message)"
            metadata["remedy"] = "cway portal invite"
            logger.notice("an invite was refused", metadata: metadata)
        }
    }

    /// Gives the portal each new policy, until the task is cancelled.
    func watch(for portal: Portal) async {
        await KeyringWatch(keyring: keyring, logger: logger) {
            put(try await Blocking.run { try read() }, inForceAt: portal)
        }.run()
    }
}

extension PortalPolicy.Who {
    init(_ audience: Audience) {
        switch audience {
        case .everyone: self = .everyone
        case .members: self = .members
        }
    }
}

extension RedeemOutcome {
    init(_ redemption: Redemption) {
        switch redemption {
        case .admitted: self = .admitted
        case .refused(let reason): self = .refused(reason.message)
        }
    }
}

/// Lets what was read of a keyring take effect in the order of its sequence numbers, whoever was quicker.
///
/// A redeem and the watch read the policy side by side: without an order, the one that read it before somebody was
/// denied could be the last to put it in force, and it would stay in force until the next change.
package final class PolicyOrder: Sendable {
    private let newest = Mutex<UInt64>(0)

    /// Before anything was read.
    package init() {}

    /// Does what follows from the state with a sequence number, unless that of a later one was done already.
    package func apply(_ sequence: UInt64, _ body: () -> Void) {
        newest.withLock { newest in
            guard sequence >= newest else { return }
            newest = sequence
            body()
        }
    }
}
