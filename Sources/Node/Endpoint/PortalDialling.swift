internal import Multiserver
internal import Transport
internal import Tunnel

/// Dials a portal at whichever of its addresses answers.
struct PortalDialling: Sendable {
    /// What an address gets before the next is dialled beside it.
    ///
    /// Longer than for a caller: some portals keep only the newest connection of a key, so two at a time do harm there.
    private static let headStart = Duration.seconds(2)

    /// A connection that stands, and what happens on it.
    struct Connection: Sendable {
        let link: NodeLink
        let events: LinkEvents
        let address: DialAddress

        /// The host that was dialled, as it was named.
        var host: PeerAddress { address.portal }
    }

    /// Which addresses did not answer lately.
    let addresses: AddressBook

    /// Dials, not at an address that is to be avoided where there is another; `attempt` dials one.
    ///
    /// - Throws: ``HopFailure``, or `CancellationError`.
    func dial(
        _ hosts: [PeerAddress], avoiding avoided: DialAddress?,
        _ attempt: @escaping @Sendable (DialAddress, LinkEvents) async throws -> NodeLink
    ) async throws -> Connection {
        let addresses = addresses
        let hosts = hosts.map { ($0, AddressAuthor.owner) }
        var race = PortalRace(ways: await addresses.addresses(of: hosts, avoiding: avoided)) { address, _ in
            let events = LinkEvents()
            addresses.tried(address)
            do {
                let link = try await attempt(address, events)
                addresses.stood(address)
                return Connection(link: link, events: events, address: address)
            } catch let failure as DialFailure {
                throw HopFailure(failure, at: address.portal)
            }
        } close: {
            await $0.link.close()
        }
        race.headStart = Self.headStart
        return try await race.run()
    }
}
