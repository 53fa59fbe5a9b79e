internal import Connection
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import Synchronization
internal import Transport
package import Tunnel
package import TypedSodium

/// What is known of an endpoint while it runs, for its owner.
///
/// Whoever runs the endpoint makes one and hands it over.
package final class NodeWatch: Sendable {
    /// How the endpoint stands with one portal.
    package struct PortalState: Sendable {
        /// How far it has come.
        package enum Stage: String, Sendable {
            /// It is being dialled.
            case dialling
            /// The connection stands.
            case connected
            /// The portal has taken the announcement.
            case announced
            /// It is dialled again after a pause.
            case away
        }

        /// The portal's address.
        package let address: String
        /// Whether the endpoint is announced there under its id.
        package let isOpen: Bool
        /// The address at which it is connected, for people; `nil` where it is not.
        package var used: String?
        /// How far it has come, and since when, in Unix seconds.
        package var stage = Stage.dialling
        package var since: UInt64
        /// What failed there last, and when.
        package var failure: (text: String, at: UInt64)?
        /// How long a question to the portal took, in seconds.
        package var roundTrip: Double?
        fileprivate var link: NodeLink?
    }

    /// Somebody who is there.
    package struct Visitor: Sendable {
        package let party: EndpointAccounts.Party
        package let name: String?
        package let sessionCount: Int
        /// In Unix seconds.
        package let since: UInt64
        package var streams: [OpenStream] = []
    }

    /// What a friend has of a service, closed streams together.
    package struct Use: Sendable {
        package var name: String?
        package let friend: PublicKey
        package let service: String
        package var count = 0
        package var sentByteCount = 0
        package var receivedByteCount = 0
        package var lastEnd: UInt64 = 0
    }

    /// The endpoint at a moment.
    package struct Snapshot: Sendable {
        package var portals: [PortalState]
        package var services: [String]
        package var visitors: [Visitor]
        package var uses: [Use]
    }

    private struct UseKey: Hashable {
        let friend: PublicKey
        let service: String
    }

    private struct Books {
        var view: EndpointView?
        var accounts: EndpointAccounts?
        var portals: [EndpointView.Place: PortalState] = [:]
        var uses: [UseKey: Use] = [:]
    }

    /// How many uses are remembered; the one that ended longest ago goes first.
    private static let useLimit = 256

    private let books = Mutex(Books())

    /// A watch of an endpoint that does not run yet.
    package init() {}

    /// The endpoint of this moment; asks each portal how long it takes to answer.
    package func snapshot() async -> Snapshot {
        let (view, accounts, places) = books.withLock { ($0.view, $0.accounts, $0.portals) }
        let (links, roundTrips) = await Self.look(at: places.compactMapValues(\.link))
        let uses = books.withLock { books in
            for (place, seconds) in roundTrips { books.portals[place]?.roundTrip = seconds }
            return Array(books.uses.values)
        }
        var portals = places
        for (place, seconds) in roundTrips { portals[place]?.roundTrip = seconds }
        let petnames = view?.petnames ?? [:]
        var streams = Dictionary(grouping: links) { $0.friend }
        var visitors = (accounts?.visits ?? []).map { visit in
            let key = visit.party.key
            return Visitor(
                party: visit.party,
                name: petnames[key] ?? view?.labels[key].flatMap { $0.isEmpty ? nil : $0 },
                sessionCount: visit.sessionCount, since: WallClock.seconds(at: visit.since),
                streams: (streams.removeValue(forKey: key) ?? []).map(OpenStream.init))
        }
        visitors.sort { ($0.since, $0.party.key.id) < ($1.since, $1.party.key.id) }
        return Snapshot(
            portals: portals.values.sorted { $0.address < $1.address },
            services: view?.targets.keys.map(\.description).sorted() ?? [], visitors: visitors,
            uses: uses.sorted { $0.lastEnd > $1.lastEnd }.map { use in
                var use = use
                use.name = petnames[use.friend]
                return use
            })
    }

    /// What is open over all links, and how long each portal takes to answer.
    private static func look(
        at links: [EndpointView.Place: NodeLink]
    ) async -> (traffic: [StreamTraffic], roundTrips: [EndpointView.Place: Double]) {
        await withTaskGroup(of: (EndpointView.Place, [StreamTraffic], Double?).self) { tasks in
            for (place, link) in links {
                tasks.addTask {
                    async let traffic = link.traffic
                    let time = await QuickPing.seconds(over: link)
                    return (place, await traffic, time)
                }
            }
            var all: [StreamTraffic] = []
            var roundTrips: [EndpointView.Place: Double] = [:]
            for await (place, traffic, time) in tasks {
                all += traffic
                roundTrips[place] = time
            }
            return (all, roundTrips)
        }
    }

    // MARK: What the endpoint's parts say

    /// The endpoint runs.
    func began(_ accounts: EndpointAccounts) { books.withLock { $0.accounts = accounts } }

    /// There is a new view; portals that are not in it are forgotten.
    func follow(_ view: EndpointView) {
        books.withLock { books in
            books.view = view
            books.portals = books.portals.filter { view.places.contains($0.key) }
        }
    }

    /// An attempt at a portal is in another stage; one beside a connection that stands counts once it is announced.
    func reached(
        _ stage: PortalState.Stage, at place: EndpointView.Place,
        over connection: PortalDialling.Connection? = nil
    ) {
        change(place) { state in
            guard stage != .connected || state.link == nil else { return }
            state.stage = stage
            state.since = WallClock.seconds()
            (state.link, state.used) = (connection?.link, connection?.address.words)
            if connection == nil { state.roundTrip = nil }
        }
    }

    /// A connection is over.
    func lost(_ link: NodeLink, at place: EndpointView.Place) {
        change(place) { state in
            if state.link === link { (state.link, state.used, state.roundTrip) = (nil, nil, nil) }
        }
    }

    /// Something failed at a portal.
    func failed(_ text: String, at place: EndpointView.Place) {
        change(place) { $0.failure = (text, WallClock.seconds()) }
    }

    private func change(_ place: EndpointView.Place, _ change: (inout PortalState) -> Void) {
        books.withLock { books in
            var state =
                books.portals[place]
                ?? PortalState(address: "\(place.portal)", isOpen: place.isOpen, since: WallClock.seconds())
            change(&state)
            books.portals[place] = state
        }
    }

    /// Takes note of a service that was closed.
    func note(_ event: NodeLinkEvent) {
        guard case .serviceClosed(let name, let friend, let sent, let received, _) = event else { return }
        books.withLock { books in
            let key = UseKey(friend: friend, service: "\(name)")
            if books.uses[key] == nil, books.uses.count >= Self.useLimit,
                let oldest = books.uses.min(by: { $0.value.lastEnd < $1.value.lastEnd })
            {
                books.uses[oldest.key] = nil
            }
            var use = books.uses[key] ?? Use(friend: friend, service: key.service)
            use.count += 1
            use.sentByteCount += sent
            use.receivedByteCount += received
            use.lastEnd = WallClock.seconds()
            books.uses[key] = use
        }
    }
}

/// A service that is open.
package struct OpenStream: Sendable {
    /// The service, as in `1/ssh`.
    package let service: String
    /// Since when, in Unix seconds.
    package let since: UInt64
    package let sentByteCount: Int
    package let receivedByteCount: Int

    init(_ traffic: StreamTraffic) {
        service = "\(traffic.service)"
        since = WallClock.seconds(at: traffic.since)
        sentByteCount = traffic.sentByteCount
        receivedByteCount = traffic.receivedByteCount
    }
}

/// One question on a connection, and how long the answer took.
enum QuickPing {
    /// How long the answer is awaited; who watches does not wait longer.
    private static let time = Duration.milliseconds(500)

    /// How long the other side takes to answer, in seconds; `nil` where it has not answered in time.
    static func seconds(over link: NodeLink, on session: SessionID = .outer) async -> Double? {
        let (answers, continuation) = AsyncStream.makeStream(of: Double?.self)
        let start = ContinuousClock.now
        // Not cancelled: its answer comes, or the connection ends.
        Task {
            let reply = try? await link.call(Method.ping.name, on: session)
            continuation.yield(reply == nil ? nil : (ContinuousClock.now - start) / .seconds(1))
        }
        let timer = Task {
            try? await Task.sleep(for: time)
            continuation.yield(nil)
        }
        defer { timer.cancel() }
        for await answer in answers { return answer }
        return nil
    }
}
