internal import Blinding
internal import Keyring
internal import Logging
package import Multiserver
internal import Transport
package import Tunnel
package import TypedSodium

/// What an endpoint is to its portals and friends at one moment: data, made anew from the keyring after each change.
package struct EndpointView: Sendable {
    /// A portal at which to be announced.
    ///
    /// It is the same one wherever it listens: at a portal that is known at several hosts there is one announcement, so two
    /// places are equal that differ in their hosts only.
    package struct Place: Hashable, Sendable {
        /// The portal, at the first of its hosts.
        let portal: PeerAddress
        /// Whether under its id; else hidden, under tokens.
        let isOpen: Bool
        /// Its other hosts.
        var others: [PeerAddress] = []

        /// Every host, the first one first.
        var hosts: [PeerAddress] { [portal] + others }

        package static func == (left: Place, right: Place) -> Bool {
            left.portal.key == right.portal.key && left.isOpen == right.isOpen
        }

        package func hash(into hasher: inout Hasher) {
            hasher.combine(portal.key)
            hasher.combine(isOpen)
        }
    }

    /// How often the settings had changed.
    package let edition: Int
    /// The keyring's number of this state; 0 without a keyring.
    package let sequence: UInt64
    /// Who may do what.
    let policy: EndpointPolicy
    /// Where to be announced.
    let places: Set<Place>
    /// Where the services are to be had on this machine.
    let targets: [ServiceName: ServiceTarget]
    /// What the owner calls the friends, for the log.
    let petnames: [PublicKey: String]
    /// What the owner calls the invites.
    let labels: [PublicKey: String]

    /// Puts the parts together.
    package init(
        edition: Int, sequence: UInt64, policy: EndpointPolicy, places: Set<Place>,
        targets: [ServiceName: ServiceTarget], petnames: [PublicKey: String] = [:],
        labels: [PublicKey: String] = [:]
    ) {
        self.edition = edition
        self.sequence = sequence
        self.policy = policy
        self.places = places
        self.targets = targets
        self.petnames = petnames
        self.labels = labels
    }

    /// An invite in the owner's log: by its key, and by its label where it has one.
    func naming(invite: PublicKey) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["invite": "\(invite.id)"]
        if let label = labels[invite], !label.isEmpty { metadata["label"] = "\(label)" }
        return metadata
    }

    /// The instances that offer something at a portal, in order.
    func instances(at place: Place) -> [Int] {
        policy.instances.filter { _, offer in
            !offer.services.isEmpty && offer.portals?.contains(place.portal.key) != false
        }.keys.sorted()
    }
}

extension EndpointView {
    /// The places that a list of hosts makes, those of one key together.
    static func places(at hosts: [PeerAddress], isOpen: (PublicKey) -> Bool) -> Set<Place> {
        var places: [PublicKey: Place] = [:]
        for host in hosts {
            guard var place = places[host.key] else {
                places[host.key] = Place(portal: host, isOpen: isOpen(host.key))
                continue
            }
            if !place.hosts.contains(host) { place.others.append(host) }
            places[host.key] = place
        }
        return Set(places.values)
    }

    /// The hosts of a place, as they are known now.
    func hosts(of place: Place) -> [PeerAddress] { places.first { $0 == place }?.hosts ?? place.hosts }
}

extension EndpointPolicy.Rights {
    /// What a grant gives at an instance; `nil` where it names nothing there.
    init?(_ grant: ServiceGrant, at instance: Int) {
        guard let names = grant.names(at: instance) else { return nil }
        self = names.contains(ServiceName.all) ? .all : .only(names)
    }
}
