package import Account

/// One who pays at an endpoint, with an account in each of its pools: a group, a key, a session.
package final class Payer: Sendable {
    /// How much one may hold at most of each, whatever the pools have.
    package struct Ceiling: Sendable {
        /// In bytes.
        package var bytes = Int.max
        /// Of these: packets that have not come whole, and answers that are not read.
        package var pending = Int.max
        /// Sessions that stand.
        package var sessions = Int.max
        /// Streams of all its sessions.
        package var streams = Int.max
        /// Sockets of services.
        package var descriptors = Int.max

        /// Nothing but the pools limits it, until something is set.
        package init() {}
    }

    /// What is held in memory, in bytes, at what it costs: the capacity of a buffer and its object.
    package let bytes: Account
    /// A part of ``bytes``: packets that have not come whole, and answers that are not read.
    package let pending: Account
    /// Sessions that stand.
    package let sessions: Account
    /// Open streams.
    package let streams: Account
    /// Sockets of services.
    package let descriptors: Account

    /// The payer above stays known for as long as one below it.
    private let parent: Payer?
    private let forget: (@Sendable () -> Void)?

    init(
        bytes: Account, pending: Account? = nil, sessions: Account, streams: Account, descriptors: Account,
        parent: Payer? = nil, forget: (@Sendable () -> Void)? = nil
    ) {
        self.bytes = bytes
        self.pending = pending ?? bytes
        self.sessions = sessions
        self.streams = streams
        self.descriptors = descriptors
        self.parent = parent
        self.forget = forget
    }

    deinit { forget?() }

    /// Who pays for all sessions together of which this one is.
    var owner: Payer { parent ?? self }

    /// The account in one of the pools.
    func account(for resource: ScarceResource) -> Account {
        switch resource {
        case .memory: bytes
        case .streams: streams
        case .sockets: descriptors
        }
    }

    /// Whether more than half of the whole pool's memory is held, so that no window is to grow.
    package var isMemoryShort: Bool {
        guard let parent else { return bytes.heldCount > bytes.capacity / 2 }
        return parent.isMemoryShort
    }

    /// A payer below this one; what it holds counts here too.
    ///
    /// `sharedByMany` keeps a share for a newcomer among those below it.
    package func open(_ ceiling: Ceiling = Ceiling(), sharedByMany: Bool = false) -> Payer {
        open(ceiling, sharedByMany: sharedByMany, forget: nil)
    }

    func open(
        _ ceiling: Ceiling = Ceiling(), sharedByMany: Bool = false, forget: (@Sendable () -> Void)?
    ) -> Payer {
        let ownBytes = bytes.open(limit: ceiling.bytes, keepsReserve: sharedByMany)
        // Those who share a ceiling pay for what is pending to an account below it, all others to their own.
        let above = pending === bytes ? ownBytes : pending
        return Payer(
            bytes: ownBytes,
            pending: ceiling.pending < .max
                ? ownBytes.open(limit: ceiling.pending, keepsReserve: false) : above,
            sessions: sessions.open(limit: ceiling.sessions, keepsReserve: sharedByMany),
            streams: streams.open(limit: ceiling.streams, keepsReserve: sharedByMany),
            descriptors: descriptors.open(limit: ceiling.descriptors, keepsReserve: sharedByMany),
            parent: self, forget: forget)
    }
}
