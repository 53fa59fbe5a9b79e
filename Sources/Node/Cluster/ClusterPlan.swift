package import NATS
package import Multiserver
internal import Tunnel

/// What a machine of a cluster needs to begin, read and found to be whole.
package struct ClusterPlan: Sendable {
    /// The settings.
    package let settings: ClusterSettings
    /// Where it accepts links.
    package let listen: ListenAddress
    /// Where others dial them.
    package let address: NetAddress
    /// How it speaks to NATS.
    package let nats: NATSSettings

    /// Looks at settings of which ``ClusterSettings/isOn`` holds.
    ///
    /// - Throws: ``ClusterPlanError``.
    package init(_ settings: ClusterSettings) throws(ClusterPlanError) {
        guard let listen = settings.listen else { throw .noListen }
        let ownHost = listen.dialledHost.flatMap { try? NetAddress(host: $0, port: max(1, listen.port)) }
        if let advertised = settings.advertise, LocalAddressKind.isUnspecified(advertised.host) {
            throw .nobodysAddress(advertised)
        }
        guard let address = settings.advertise ?? (listen.port == 0 ? nil : ownHost) else {
            throw .noAddress(listen)
        }
        self.settings = settings
        self.listen = listen
        self.address = address
        var nats = NATSSettings(servers: settings.servers.map(\.url), name: "companionway")
        do throws(NATSIdentityError) {
            nats.credentials = try NATSIdentity.credentials(of: settings)
        } catch {
            throw .credentials(error)
        }
        nats.authorityFile = settings.authorityFile
        self.nats = nats
    }

    /// How long a machine that ends lets its endpoints go elsewhere.
    package var drain: Duration { .seconds(settings.drainSeconds ?? ClusterSettings.standardDrain) }
}

/// Why a machine cannot be one of a cluster.
package enum ClusterPlanError: Error, Equatable, Sendable {
    /// It is not said where other machines dial it.
    case noListen
    /// What it listens at tells others nothing.
    case noAddress(ListenAddress)
    /// What the others are told is every machine's own address.
    case nobodysAddress(NetAddress)
    /// The credentials for NATS are none.
    case credentials(NATSIdentityError)
}

extension ClusterPlanError: CustomStringConvertible {
    /// A sentence with the remedy.
    package var description: String {
        switch self {
        case .noListen:
            "the other machines cannot dial this one: give --cluster-listen HOST:PORT, at an address that they reach"
        case .noAddress(let listen):
            "\(listen) does not say where other machines dial this one: give --cluster-advertise HOST:PORT"
        case .nobodysAddress(let address):
            "\(address.hostAndPort) leads each machine to itself: give --cluster-advertise HOST:PORT with a host that "
                + "the other machines reach"
        case .credentials(let error): "\(error)"
        }
    }
}
