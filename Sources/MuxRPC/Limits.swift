/// How much a peer may make a connection hold; everything in bytes unless its name says otherwise.
public struct Limits: Equatable, Sendable {
    /// What a portal, an endpoint and a client use.
    public static let `default` = Limits()

    /// The longest body of a call, a reply, an error, or a stream's JSON packet.
    ///
    /// 1 MiB: JavaScript and Go portals both answer calls of that size, so a real one may come.
    public var jsonBodyByteCount = 1 << 20

    /// The longest binary or text body of a stream that is handed out as it was sent.
    ///
    /// 64 KiB: no known implementation sends more in one packet (box-stream cuts at 4 KiB, pull-streams read
    /// 64 KiB), and it is what one stream can make everybody behind it wait for.
    public var streamBodyByteCount = 64 << 10

    /// The longest binary body of a stream that is taken at all: what is longer than ``streamBodyByteCount`` is handed
    /// out in pieces of that length, so that no more is kept of it.
    ///
    /// 1 MiB: JavaScript sends what it is given as one packet, and bytes have no ends on a stream.
    public var cutBodyByteCount = 1 << 20

    /// The greatest number of calls and streams that either side may have open, each counted by its opener.
    ///
    /// 4096: tunnels of a busy portal connection number some hundreds; an entry is a few dozen bytes.
    public var openRequestCount = 4096

    /// The most of calls and stream packets that may wait to be boxed on one connection; beyond it they are refused.
    ///
    /// 16 MiB: sixteen bodies of the longest kind, so only an owner that never takes the outbox gets there. What one
    /// stream may have waiting behind it is bounded where it waits: by a portal's queue for a tunnel, and by the
    /// credit of a service.
    public var connectionQueueByteCount = 16 << 20

    /// The most of a session's own packets that may wait before its owner should stop reading the peer.
    ///
    /// 256 KiB: a peer that asks and never reads makes us hold that much and the answers to one read.
    public var outboxByteCount = 256 << 10

    /// The defaults, to be changed member by member.
    public init() {}

    /// The longest body that a header of this kind may claim.
    public func bodyByteCount(for header: PacketHeader) -> Int {
        header.isStream && header.bodyType != .json ? streamBodyByteCount : jsonBodyByteCount
    }
}
