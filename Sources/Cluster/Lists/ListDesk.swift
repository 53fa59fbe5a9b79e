internal import NIOCore

/// Which machines' lists are fetched now: of those that do not count yet, and of those of which something is missing.
///
/// ### Invariants
/// - At most ``ListFetch/limit`` are on their way, so that a NATS that comes back causes no storm.
struct ListDesk: Sendable {
    /// A query that is to be sent.
    struct Order {
        let machine: MachineID
        let path: ClusterPath
        let query: ListQuery
    }

    private var lastNonce: UInt64 = 0

    init() {}

    /// The queries that are due; with claims of ours that wait for a departure, they reach back to what those gave way to.
    mutating func orders(
        among membership: inout Membership, with book: ClaimBook, hasEngine: Bool, at now: NIODeadline
    ) -> [Order] {
        var running = membership.peers.values.count { $0.fetch.map { !$0.isLate(at: now) } ?? false }
        var orders: [Order] = []
        for machine in membership.all where running < ListFetch.limit {
            guard var peer = membership[machine], peer.fetch.map({ $0.isLate(at: now) }) ?? true,
                now >= peer.fetchAt, let usual = peer.path(hasEngine: hasEngine)
            else { continue }
            guard !peer.isCounted || peer.catalogue.lacks(peer.heartbeat, at: now) else {
                peer.fetch = nil
                membership[machine] = peer
                continue
            }
            // Where one way brought nothing the other one may.
            let path: ClusterPath = peer.fetch?.path == .engine && peer.isLinked ? .link : usual
            lastNonce += 1
            let waiting = book.waiting(for: machine)
            peer.fetch = ListFetch(nonce: lastNonce, over: path, awaiting: Set(waiting.keys), at: now)
            peer.fetchAt = now + ListFetch.interval
            membership[machine] = peer
            let since = waiting.values.reduce(peer.catalogue.completeUpTo, min)
            let query = ListQuery(nonce: lastNonce, hiddenSince: since)
            orders.append(Order(machine: machine, path: path, query: query))
            running += 1
        }
        return orders
    }

    /// Whether a machine may be told our list now, which it may not too often.
    static func mayTell(_ asker: MachineID, among membership: inout Membership, at now: NIODeadline) -> Bool {
        if let askedAt = membership[asker]?.askedAt, now - askedAt < ListFetch.leastInterval { return false }
        membership[asker]?.askedAt = now
        return true
    }
}
