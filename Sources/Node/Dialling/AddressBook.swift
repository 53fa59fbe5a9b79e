internal import Connection
package import Multiserver
package import NIOCore
internal import NIOPosix
internal import Synchronization
internal import Transport

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
    /// Finds the addresses of a host and port; none where it cannot.
    package typealias LookUp = @Sendable (NetAddress) async -> [SocketAddress]

    /// How many addresses of a name are dialled.
    private static let addressLimit = 16
    /// How long a name is looked up before it is dialled as it stands.
    private static let lookUpTime = Duration.seconds(5)

    private let order = Mutex(AddressOrder<DialAddress>())
    private let lookUp: LookUp

    /// A book in which nothing was tried; it asks the system for names unless told otherwise.
    package init(lookUp: @escaping LookUp = AddressBook.askSystem) { self.lookUp = lookUp }

    /// The addresses of one portal in the order in which to try them; different for each call, and without one that is to
    /// be avoided where there is another.
    func addresses(of hosts: [PeerAddress], avoiding avoided: DialAddress? = nil) async -> [DialAddress] {
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

    private func addresses(of host: PeerAddress) async -> [DialAddress] {
        guard !NameLookUp.isAddress(host.net.host) else { return [DialAddress(portal: host)] }
        let addresses = await lookUp(host.net)
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

    /// Threads of their own, since the system may ask the network for as long as it likes; few, so that a name server
    /// which does not answer costs no more than those.
    private static let threads = {
        let pool = NIOThreadPool(numberOfThreads: 2)
        pool.start()
        return pool
    }()

    /// Asks the system, and does not wait for longer than a name server may take.
    package static let askSystem: LookUp = { net in
        let (answers, continuation) = AsyncStream.makeStream(of: [SocketAddress].self)
        Task {
            let found = try? await threads.runIfActive {
                NameLookUp.addresses(of: net.host, port: net.port)
            }
            continuation.yield(found ?? [])
        }
        let timer = Task {
            try await Task.sleep(for: lookUpTime)
            continuation.yield([])
        }
        defer { timer.cancel() }
        for await addresses in answers { return addresses }
        return []
    }
}
