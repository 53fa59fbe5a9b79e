internal import Connection
internal import Multiserver
internal import NIOCore
internal import Synchronization
internal import Transport
internal import Tunnel

/// One address at which a portal is dialled: as it was named, and where that leads.
struct DialAddress: Hashable, Sendable {
    /// The portal as it was named.
    let portal: PeerAddress
    /// Where the name leads: to one address of each family at most; none where the name is dialled as it stands.
    var addresses: [SocketAddress] = []

    /// For people: the host as it was named, and the address where that has several.
    var words: String {
        guard addresses.count == 1, let address = addresses[0].ipAddress else {
            return portal.net.hostAndPort
        }
        return address == portal.net.host ? portal.net.hostAndPort : "\(portal.net.hostAndPort) (\(address))"
    }
}

/// Where the portals are that a process dials, and which of their addresses did not answer lately.
///
/// A name with several addresses of a family is several addresses, since a machine may stand behind each; one with an
/// address of either family is one, which is dialled by whichever of the two answers first.
package final class AddressBook: Sendable {
    /// A host of a portal, and who has named it.
    typealias Host = (portal: PeerAddress, author: AddressAuthor)

    /// How many addresses of a name are dialled.
    private static let addressLimit = 16

    private let order = Mutex(AddressOrder<DialAddress>())
    /// Apart, so that nobody else's names keep the owner's waiting.
    private let owners, others: NameAnswers

    /// A book in which nothing was tried; it asks the system for names unless told otherwise, and for none longer than so.
    package init(
        lookUpTime: Duration = .seconds(1), lookUp: @escaping NameAnswers.LookUp = NameAnswers.askSystem
    ) {
        owners = NameAnswers(of: .owner, time: lookUpTime, lookUp)
        others = NameAnswers(of: .others, time: lookUpTime, lookUp)
    }

    /// The addresses of one portal in the order in which to try them; different for each call, and without one that is to
    /// be avoided where there is another.
    func addresses(of hosts: [Host], avoiding avoided: DialAddress? = nil) async -> [DialAddress] {
        let found = await withTaskGroup(of: (Int, [DialAddress]).self) { tasks in
            for (index, host) in hosts.enumerated() {
                tasks.addTask { (index, await self.addresses(of: host)) }
            }
            var found: [Int: [DialAddress]] = [:]
            for await (index, addresses) in tasks { found[index] = addresses }
            let all = hosts.indices.flatMap { found[$0] ?? [] }
            let others = all.filter { $0 != avoided }
            return others.isEmpty ? all : others
        }
        return order.withLock {
            var generator = SystemRandomNumberGenerator()
            return $0.order(found, at: .now(), using: &generator)
        }
    }

    private func addresses(of host: Host) async -> [DialAddress] {
        let (host, names) = (host.portal, host.author == .owner ? owners : others)
        guard !NameLookUp.isAddress(host.net.host) else { return [DialAddress(portal: host)] }
        let addresses = await names.addresses(of: host.net)
        let families = Dictionary(grouping: addresses, by: \.protocol).values
        guard families.contains(where: { $0.count > 1 }) else {
            return [DialAddress(portal: host, addresses: addresses)]
        }
        return addresses.shuffled().prefix(Self.addressLimit).map {
            DialAddress(portal: host, addresses: [$0])
        }
    }

    /// An address is tried, or of no use for now: others come first for a minute, or until a connection stands there.
    func tried(_ address: DialAddress) { order.withLock { $0.tried(address, at: .now()) } }

    /// A connection stands there.
    func stood(_ address: DialAddress) { order.withLock { $0.stood(address) } }
}
