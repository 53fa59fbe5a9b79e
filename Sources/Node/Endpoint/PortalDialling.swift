internal import Multiserver
internal import Transport

/// Dials a portal at whichever of its hosts answers, the one first where it was last reached.
struct PortalDialling {
    /// What a host gets before the next is dialled beside it.
    ///
    /// Longer than for a caller: some portals keep only the newest connection of a key, so two at a time do harm there.
    private static let headStart = Duration.seconds(2)

    /// A connection that stands, and what happens on it.
    struct Connection: Sendable {
        let link: NodeLink
        let events: LinkEvents
        let host: PeerAddress
    }

    private var last: PeerAddress?

    /// Dials; `attempt` dials one host.
    ///
    /// - Throws: ``HopFailure``, or `CancellationError`.
    mutating func dial(
        _ hosts: [PeerAddress],
        _ attempt: @escaping @Sendable (PeerAddress, LinkEvents) async throws -> NodeLink
    ) async throws -> Connection {
        let last = last
        let ordered = hosts.filter { $0 == last } + hosts.filter { $0 != last }
        var race = PortalRace(ways: ordered) { host in
            let events = LinkEvents()
            do {
                let link = try await attempt(host, events)
                return Connection(link: link, events: events, host: host)
            } catch let failure as DialFailure {
                throw HopFailure(failure, at: host)
            }
        } close: {
            await $0.link.close()
        }
        race.headStart = Self.headStart
        let connection = try await race.run()
        self.last = connection.host
        return connection
    }
}
