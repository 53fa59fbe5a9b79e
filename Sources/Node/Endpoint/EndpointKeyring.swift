internal import Blinding
internal import Invitation
internal import Keyring
internal import Logging
internal import Multiserver
internal import Synchronization
internal import Transport
internal import Tunnel
internal import TypedSodium

/// What an endpoint asks its keyring: who may do what, which tokens stand for them, what a redeemer is told.
///
/// Every call may wait for the disk: use it through ``Blocking``.
final class EndpointKeyring: Sendable {
    /// What an endpoint brings beside its keyring.
    struct EndpointContext: Sendable {
        let identity: Identity
        /// Of its portals, those of the keyring count where there are none.
        fileprivate(set) var settings: Settings
        /// Whether to be announced under its id everywhere.
        let isVisible: Bool
        /// How often the settings have changed.
        fileprivate(set) var edition = 0

        init(identity: Identity, settings: Settings, isVisible: Bool) {
            self.identity = identity
            self.settings = settings
            self.isVisible = isVisible
        }

        var portals: [PeerAddress] { settings.portals }
    }

    let keyring: Keyring?
    /// Whose question is next, over all portals.
    let questions = QuestionTurns()
    private let latest: Mutex<EndpointContext>
    private let entries: Entries
    private let visitCount = Mutex(0)
    private let redemptions = GroupCommit<RedeemRequest, Redeemed>()
    private let shownKeys = Mutex([PortalKey: PublicKey]())

    init(_ keyring: Keyring?, _ context: EndpointContext) {
        self.keyring = keyring
        latest = Mutex(context)
        entries = Entries(identity: context.identity)
    }

    private var context: EndpointContext { latest.withLock(\.self) }

    /// Has other settings count in every view from now on.
    func use(_ settings: Settings) {
        latest.withLock {
            $0.settings = settings
            $0.edition += 1
        }
    }

    // MARK: Views

    /// The view of this moment, or `nil` where nothing has changed since the state with that number.
    func view(unlessAt known: UInt64) throws -> EndpointView? {
        guard let keyring, try keyring.sequence() != known else { return nil }
        return try view()
    }

    /// The view of this moment; the pairs of friends who are new are computed, 50 µs each.
    func view() throws -> EndpointView {
        // Read first: a change in between is seen once more, not lost.
        let context = context
        guard let keyring else { return staticView(context) }
        let sequence = try keyring.sequence()
        _ = try entries.update(from: keyring)
        let friends = try keyring.friends.all()
        let invites = try keyring.invites.all().filter(\.isEntry)
        let common = try commonPlaces(keyring, context)
        var policy = EndpointPolicy(
            instances: Self.instances(
                of: context.settings, for: friends, commonPortals: Set(common.map(\.portal.key))),
            invites: Set(invites.map(\.key.publicKey)), grantsCircle: true)
        policy.invitedBy = friends.reduce(into: [:]) { $0[$1.key] = $1.admission?.invite?.publicKey }
        let petnames = Dictionary(friends.map { ($0.key, $0.name) }) { first, _ in first }
        let open = Set(try keyring.portals.announced().map(\.portal).filter(\.isOpen).map(\.key.publicKey))
        let places = Self.adding(ownPlacesOf: context.settings, to: common) {
            context.isVisible || open.contains($0)
        }
        return EndpointView(
            edition: context.edition, sequence: sequence, policy: policy, places: places,
            targets: context.settings.targets, petnames: petnames,
            labels: Dictionary(invites.map { ($0.key.publicKey, $0.label) }) { first, _ in first })
    }

    /// Without a keyring everything is open, and nothing changes but the settings.
    private func staticView(_ context: EndpointContext) -> EndpointView {
        let common = EndpointView.places(at: context.portals) { _ in true }
        return EndpointView(
            edition: context.edition, sequence: 0,
            policy: EndpointPolicy(
                instances: Self.instances(
                    of: context.settings, for: [], commonPortals: Set(common.map(\.portal.key)))),
            places: Self.adding(ownPlacesOf: context.settings, to: common) { _ in true },
            targets: context.settings.targets)
    }

    /// What each instance offers, and to whom: rights at one are none at another.
    private static func instances(
        of settings: Settings, for friends: [Friend], commonPortals: Set<PublicKey>
    ) -> [Int: EndpointPolicy.Instance] {
        let offers = settings.offers
        let areApart = offers.values.contains { !$0.portals.isEmpty }
        return Dictionary(
            uniqueKeysWithValues: offers.map { number, offer in
                var access = Dictionary(offer.allow.map { ($0, EndpointPolicy.Rights.all) }) { first, _ in
                    first
                }
                for friend in friends {
                    guard let services = friend.admission?.services else { continue }
                    if let rights = EndpointPolicy.Rights(services, at: number) {
                        access[friend.key] = rights
                    } else if number == 0 {
                        // A friend is one of the whole endpoint, and finds nothing here.
                        access[friend.key] = .only([])
                    }
                }
                let own = Set(offer.portals.map(\.key))
                return (
                    number,
                    EndpointPolicy.Instance(
                        services: offer.services.map(\.name),
                        access: offer.allowAnyone ? .anyone : .only(access),
                        portals: areApart ? (own.isEmpty ? commonPortals : own) : nil)
                )
            })
    }

    /// The portals of all instances that have none of their own.
    private func commonPlaces(
        _ keyring: Keyring, _ context: EndpointContext
    ) throws -> Set<EndpointView.Place> {
        let known = try keyring.portals.announced()
        let open = Set(known.filter(\.portal.isOpen).map(\.portal.key.publicKey))
        let hosts =
            context.portals.isEmpty
            ? try known.flatMap(\.portal.places).map { try $0.peer() } : context.portals
        return EndpointView.places(at: hosts) { context.isVisible || open.contains($0) }
    }

    /// Adds the portals that only some instances have; one connection to a portal is for all.
    private static func adding(
        ownPlacesOf settings: Settings, to common: Set<EndpointView.Place>, isOpen: (PublicKey) -> Bool
    ) -> Set<EndpointView.Place> {
        var places = common
        let own = EndpointView.places(at: settings.instances.values.flatMap(\.portals), isOpen: isOpen)
        for place in own where !places.contains(where: { $0.portal.key == place.portal.key }) {
            places.insert(place)
        }
        return places
    }

    // MARK: Tokens

    /// What to announce at a portal on a day, in an order that says nothing.
    func entries(at portal: PublicKey, on epoch: Epoch) -> [TokenEntry] {
        let tokens = entries.tokens(portal: PortalKey(portal), epochs: epoch.window)
        var generator = SystemRandomNumberGenerator()
        return tokens.map { TokenEntry(token: $0.key, owner: $0.value) }.shuffled(using: &generator)
    }

    /// The addresses at which friends reach the endpoint at a portal: where it is open its id, with each instance that
    /// offers something there; else the sealed address of today, which names no instance.
    func addresses(at place: EndpointView.Place, in view: EndpointView) throws -> [Address] {
        let owner = context.identity.publicKey
        guard !place.isOpen, let keyring else {
            let numbers = view.instances(at: place)
            return try (numbers.isEmpty ? [0] : numbers).map { number in
                .tunnel(try TunnelAddress(portal: place.portal.key, target: owner, instance: number))
            }
        }
        let addressing = try keyring.circle.ownAddressing(at: Epoch(unixSeconds: WallClock.seconds()))
        let value = addressing.sealedValue(target: EndpointKey(owner), portal: PortalKey(place.portal.key))
        return [.blinded(.sealed(value.bytes))]
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
            try keyring.map { try $0.invites.redeem(requests, now: WallClock.seconds()) }
            ?? requests.map { _ in .success(.refused(.revoked)) }
        let view = try view()
        return outcomes.map { Redeemed(outcome: $0, view: view) }
    }

    /// The friend's grant, with the portals where this endpoint is announced.
    ///
    /// Not for those who are let in by id alone, or because anyone is: nobody could take it back from them.
    func grant(to friend: PublicKey) throws -> CircleGrant {
        guard let keyring else { throw KeyringError.missing(path: "") }
        return try keyring.circle.grant(name: context.settings.name, to: friend, now: WallClock.seconds())
    }

    /// The key that this endpoint shows at a portal where it is hidden; computed once for each, 70 µs.
    func shownKey(at portal: PortalKey) throws -> PublicKey {
        if let known = shownKeys.withLock({ $0[portal] }) { return known }
        let key = try Pseudonym.identity(of: context.identity, at: portal).publicKey
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
        _ = try keyring?.friends.markSeen(friend, now: WallClock.seconds())
    }
}
