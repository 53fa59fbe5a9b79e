internal import Blinding
internal import Keyring
internal import Multiserver
internal import Sodium
internal import Transport
internal import Tunnel

/// What an endpoint is to its portals and friends at one moment: data, made anew from the keyring after each change.
struct EndpointView: Sendable {
    /// A portal at which to be announced.
    struct Place: Hashable, Sendable {
        let portal: PeerAddress
        /// Whether under its id; else hidden, under tokens.
        let isOpen: Bool
    }

    /// How often the settings had changed.
    let edition: Int
    /// The keyring's number of this state; 0 without a keyring.
    let sequence: UInt64
    /// Who may do what.
    let policy: EndpointPolicy
    /// Where to be announced.
    let places: Set<Place>
    /// Where the services are to be had on this machine.
    let targets: [ServiceName: ServiceTarget]
    /// What the owner calls the friends, for the log.
    var petnames: [PublicKey: String] = [:]

    /// The instances that offer something at a portal, in order.
    func instances(at place: Place) -> [Int] {
        policy.instances.filter { _, offer in
            !offer.services.isEmpty && offer.portals?.contains(place.portal.key) != false
        }.keys.sorted()
    }
}

extension EndpointPolicy.Rights {
    /// What a grant gives at an instance; `nil` where it names nothing there.
    init?(_ grant: ServiceGrant, at instance: Int) {
        guard let names = grant.names(at: instance) else { return nil }
        self = names.contains(ServiceName.all) ? .all : .only(names)
    }
}
