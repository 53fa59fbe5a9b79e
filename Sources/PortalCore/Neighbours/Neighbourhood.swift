internal import Blinding
package import TypedSodium

/// What the other machines of a portal ask of this one, and tell it: the way back of ``PortalNeighbours``.
///
/// Every call may be made on any thread; the portal's lock is held for a slice of the work at a time.
package struct Neighbourhood: Sendable {
    /// What becomes of an announcement for which another machine has a better claim.
    package enum Yielding: Equatable, Sendable {
        /// The connection is ended with `announced elsewhere`.
        case announcedElsewhere
        /// Forgotten silently: it was a mere subscription.
        case unannounced
        /// Answered for no more, and its connection ended where the peer is silent.
        case silenced
    }

    /// So many tokens, or ids, are seen to under one lock.
    private static let sliceCount = 32

    private let portal: Portal

    /// That of a portal, which has neighbours.
    package init(of portal: Portal) { self.portal = portal }

    /// For each of these tokens the keys that have proved to announce it here.
    package func announcers(of tokens: [(token: FixedBytes<32>, provedBy: PublicKey?)]) -> [[PublicKey]] {
        slices(of: tokens).flatMap { slice in
            portal.look { directory, _ in
                slice.map { directory.announcers(of: PairToken($0.token), provedBy: $0.provedBy) }
            }
        }
    }

    /// Another machine has a better claim for a key, as of the `number`th change that this one has told.
    package func yield(_ peer: PublicKey, _ yielding: Yielding, since number: UInt64) {
        let posts = portal.withDirectory { directory, connections -> [AnnouncementDesk.Post] in
            func posts(_ message: RelayMessage, to ids: [ConnectionID]) -> [AnnouncementDesk.Post] {
                ids.compactMap { connections.mailbox(of: $0) }.map { (message, $0) }
            }
            switch yielding {
            case .announcedElsewhere:
                let (ended, awakened) = directory.yieldOpenly(peer, since: number, .explicit)
                return posts(.replaced, to: ended) + posts(.attendanceChanged, to: awakened)
            case .unannounced:
                let (_, awakened) = directory.yieldOpenly(peer, since: number, .subscription)
                return posts(.attendanceChanged, to: awakened)
            case .silenced:
                return posts(.silenced, to: directory.silence(peer, since: number))
            }
        }
        for post in posts { post.mailbox.post(post.message) }
    }

    /// The better claim for a key that was silenced is gone: its tokens are answered for again.
    package func unsilence(_ peer: PublicKey) {
        portal.withDirectory { directory, _ in directory.unsilence(peer) }
    }

    /// Has these announce themselves at another machine.
    package func move(_ peers: [PublicKey]) {
        for slice in slices(of: peers) {
            let mailboxes = portal.look { directory, connections in
                slice.flatMap { directory.connections(of: $0) }.compactMap { connections.mailbox(of: $0) }
            }
            for mailbox in mailboxes { mailbox.post(.move(orGoodbye: true)) }
        }
    }

    /// The connections on which nobody is announced.
    package var clients: [ConnectionID] {
        slices(of: portal.look { _, connections in connections.peers }).flatMap { slice in
            portal.look { directory, _ in
                slice.filter { !directory.connections(of: $0.peer).contains($0.connection) }
                    .map(\.connection)
            }
        }
    }

    /// Has clients go on at another machine; those that do not know how keep their tunnels until this one ends.
    package func move(clients: some Collection<ConnectionID>) {
        let mailboxes = portal.look { _, connections in clients.compactMap { connections.mailbox(of: $0) } }
        for mailbox in mailboxes { mailbox.post(.move(orGoodbye: false)) }
    }

    /// The machines together list these from now on, and those no more.
    package func listChanged(joined: Set<PublicKey>, left: Set<PublicKey>) {
        for slice in slices(of: Array(joined)) { list { $0.listChanged(joined: Array(slice), left: []) } }
        for slice in slices(of: Array(left)) { list { $0.listChanged(joined: [], left: Array(slice)) } }
    }

    /// The machines together have more ids than lists show, or do not any more.
    package func listBecame(tooLong: Bool) { list { $0.listBecame(tooLong: tooLong) } }

    /// How many connections there are, and tunnels.
    package var load: (connectionCount: Int, tunnelCount: Int) { portal.load }

    /// What has passed through tunnels since the portal began, in bytes.
    package var relayedByteCount: Int { portal.totals.relayedByteCount }

    private func list(_ change: (inout PortalDirectory) -> [ConnectionID]) {
        let mailboxes = portal.withDirectory { directory, connections in
            change(&directory).compactMap { connections.mailbox(of: $0) }
        }
        for mailbox in mailboxes { mailbox.post(.attendanceChanged) }
    }

    private func slices<Element>(of elements: [Element]) -> [ArraySlice<Element>] {
        stride(from: 0, to: elements.count, by: Self.sliceCount).map {
            elements[$0..<min($0 + Self.sliceCount, elements.count)]
        }
    }
}
