package import Account

/// One who pays at an endpoint, with an account in each of its pools: a group, a key, a session.
package final class Payer: Sendable {
    /// How much one may hold at most of each, whatever the pools have.
    package struct Ceiling: Sendable {
        /// In bytes.
        package var bytes = Int.max
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
        bytes: Account, sessions: Account, streams: Account, descriptors: Account,
        parent: Payer? = nil, forget: (@Sendable () -> Void)? = nil
    ) {
        self.bytes = bytes
        self.sessions = sessions
        self.streams = streams
        self.descriptors = descriptors
        self.parent = parent
        self.forget = forget
    }

    deinit { forget?() }

    /// A payer below this one; what it holds counts here too.
    ///
    /// `sharedByMany` keeps a share for a newcomer among those below it.
    package func open(_ ceiling: Ceiling = Ceiling(), sharedByMany: Bool = false) -> Payer {
        open(ceiling, sharedByMany: sharedByMany, forget: nil)
    }

    func open(
        _ ceiling: Ceiling = Ceiling(), sharedByMany: Bool = false, forget: (@Sendable () -> Void)?
    ) -> Payer {
        Payer(
            bytes: bytes.open(limit: ceiling.bytes, keepsReserve: sharedByMany),
            sessions: sessions.open(limit: ceiling.sessions, keepsReserve: sharedByMany),
            streams: streams.open(limit: ceiling.streams, keepsReserve: sharedByMany),
            descriptors: descriptors.open(limit: ceiling.descriptors, keepsReserve: sharedByMany),
            parent: self, forget: forget)
    }
}
