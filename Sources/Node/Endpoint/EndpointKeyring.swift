internal import Blinding
internal import Keyring
internal import Logging
internal import Multiserver
internal import Sodium
internal import Synchronization
internal import Transport
internal import Tunnel

/// What an endpoint asks its keyring: who may do what, which tokens stand for them, what a redeemer is told.
///
/// Every call may wait for the disk: use it through ``Blocking``.
final class EndpointKeyring: Sendable {
    /// What an endpoint brings beside its keyring.
    struct Surroundings: Sendable {
        let identity: Identity
        let settings: Settings
        /// The portals that the command line or the settings name; where there are none, those of the keyring count.
        let portals: [PeerAddress]
        /// Whether to be announced under its id everywhere.
        let isVisible: Bool
    }

    let keyring: Keyring?
    /// Whose question is next, over all portals.
    let questions = QuestionTurns()
    private let surroundings: Surroundings
    private let entries: Entries
    private let visitCount = Mutex(0)
    private let redemptions = GroupCommit<RedeemRequest, Redeemed>()
    private let shownKeys = Mutex([PortalKey: PublicKey]())

    init(_ keyring: Keyring?, _ surroundings: Surroundings) {
        self.keyring = keyring
        self.surroundings = surroundings
        entries = Entries(identity: surroundings.identity)
    }

    // MARK: Views

    /// The view of this moment, or `nil` where nothing has changed since the state with that number.
    func view(unlessAt known: UInt64) throws -> EndpointView? {
        guard let keyring, try keyring.sequence() != known else { return nil }
        return try view()
    }

    /// The view of this moment; the pairs of friends who are new are computed, 50 µs each.
    func view() throws -> EndpointView {
        guard let keyring else { return staticView }
        // Read first: a change in between is seen once more, not lost.
        let sequence = try keyring.sequence()
        _ = try entries.update(from: keyring)
        let friends = try keyring.friends()
        var access = Dictionary(surroundings.settings.allow.map { ($0, EndpointPolicy.Rights.all) }) {
            first, _ in first
        }
        var invitedBy: [PublicKey: PublicKey] = [:]
        for friend in friends {
            guard let admission = friend.admission else { continue }
            access[friend.key] = EndpointPolicy.Rights(admission.services)
            invitedBy[friend.key] = admission.invite?.publicKey
        }
        let invites = try keyring.invites().filter(\.isEntry).map(\.key.publicKey)
        var policy = EndpointPolicy(
            services: surroundings.settings.services.map(\.name),
            access: surroundings.settings.allowAnyone ? .anyone : .only(access), invites: Set(invites),
            grantsCircle: true)
        policy.invitedBy = invitedBy
        let petnames = Dictionary(friends.map { ($0.key, $0.name) }) { first, _ in first }
        return EndpointView(
            sequence: sequence, policy: policy, places: try places(keyring), petnames: petnames)
    }

    /// Without a keyring nothing ever changes, and everything is open.
    private var staticView: EndpointView {
        let settings = surroundings.settings
        let friends = Dictionary(settings.allow.map { ($0, EndpointPolicy.Rights.all) }) { first, _ in first }
        return EndpointView(
            sequence: 0,
            policy: EndpointPolicy(
                services: settings.services.map(\.name),
                access: settings.allowAnyone ? .anyone : .only(friends), invites: [], grantsCircle: false),
            places: EndpointView.places(at: surroundings.portals) { _ in true })
    }

    private func places(_ keyring: Keyring) throws -> Set<EndpointView.Place> {
        let known = try keyring.portals()
        let open = Set(known.filter(\.portal.isOpen).map(\.portal.key.publicKey))
        let hosts =
            surroundings.portals.isEmpty
            ? try known.flatMap(\.hosts).map { try PeerAddress($0) } : surroundings.portals
        return EndpointView.places(at: hosts) { surroundings.isVisible || open.contains($0) }
    }

    // MARK: Tokens

    /// What to announce at a portal on a day, in an order that says nothing.
    func entries(at portal: PublicKey, on epoch: Epoch) -> [TokenEntry] {
        let tokens = entries.tokens(portal: PortalKey(portal), epochs: epoch.window)
        var generator = SystemRandomNumberGenerator()
        return tokens.map { TokenEntry(token: $0.key, owner: $0.value) }.shuffled(using: &generator)
    }

    /// The address at which friends reach the endpoint at a portal: its id where it is open, else the sealed address of
    /// today.
    func address(at place: EndpointView.Place) throws -> Address {
        let owner = surroundings.identity.publicKey
        guard !place.isOpen, let keyring else {
            return .tunnel(try TunnelAddress(portal: place.portal.key, target: owner))
        }
        let addressing = try keyring.ownAddressing(at: Epoch(unixSeconds: WallClock.seconds()))
        let value = addressing.sealedValue(target: EndpointKey(owner), portal: PortalKey(place.portal.key))
        return .blinded(.sealed(value.bytes))
    }

    // MARK: Questions

    /// What became of somebody who redeems an invite, and the view from then on.
    struct Redeemed: Sendable {
        let outcome: Result<Redemption, KeyringError>
        let view: EndpointView
    }

    /// Redeems an invite for somebody whose signature is good, together with all who ask at the same time.
    func redeem(_ request: RedeemRequest) async throws -> Redeemed {
        try await redemptions.answer(to: request, from: redeem)
    }

    @Sendable private func redeem(_ requests: [RedeemRequest]) throws -> [Redeemed] {
        let outcomes: [Result<Redemption, KeyringError>] =
            try keyring.map { try $0.redeem(requests, now: WallClock.seconds()) }
            ?? requests.map { _ in .success(.refused(.revoked)) }
        let view = try view()
        return outcomes.map { Redeemed(outcome: $0, view: view) }
    }

    /// The friend's grant, with the portals where this endpoint is announced.
    ///
    /// Not for those who are let in by id alone, or because anyone is: nobody could take it back from them.
    func grant(to friend: PublicKey) throws -> CircleGrant {
        guard let keyring else { throw KeyringError.missing(path: "") }
        return try keyring.grant(name: surroundings.settings.name, to: friend, now: WallClock.seconds())
    }

    /// The key that this endpoint shows at a portal where it is hidden; computed once for each, 70 µs.
    func shownKey(at portal: PortalKey) throws -> PublicKey {
        if let known = shownKeys.withLock({ $0[portal] }) { return known }
        let key = try Pseudonym.identity(of: surroundings.identity, at: portal).publicKey
        shownKeys.withLock { $0[portal] = key }
        return key
    }

    // MARK: Visits

    /// How many visits may wait to be noted: whose calls come faster than the disk writes is not to keep everybody
    /// else waiting who asks the keyring, its own removal among them.
    private static let visitLimit = 16

    /// Takes a visit to be noted with ``note(visitOf:)``; not where too many wait, or where there is no keyring.
    func beginVisit() -> Bool {
        guard keyring != nil else { return false }
        return visitCount.withLock { count in
            guard count < Self.visitLimit else { return false }
            count += 1
            return true
        }
    }

    /// Notes a visit that was begun.
    func note(visitOf friend: PublicKey) throws {
        defer { visitCount.withLock { $0 -= 1 } }
        _ = try keyring?.markSeen(friend, now: WallClock.seconds())
    }
}
