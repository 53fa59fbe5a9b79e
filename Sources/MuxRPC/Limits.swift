/// How much a peer may make a connection hold; everything in bytes unless its name says otherwise.
public struct Limits: Equatable, Sendable {
    /// What a portal, an endpoint and a client use.
    public static let `default` = Limits()

    /// The longest body of a call, a reply, an error, or a stream's JSON packet.
    ///
    /// 1 MiB: JavaScript and Go portals both answer calls of that size, so a real one may come.
    public var jsonBodyByteCount = 1 << 20

    /// The longest binary or text body of a stream.
    ///
    /// 64 KiB: no known implementation sends more in one packet (box-stream cuts at 4 KiB, pull-streams read
    /// 64 KiB), and it is what one stream can make everybody behind it wait for.
    public var streamBodyByteCount = 64 << 10

    /// The greatest number of calls and streams that either side may have open, each counted by its opener.
    ///
    /// 4096: tunnels of a busy portal connection number some hundreds; an entry is a few dozen bytes.
    public var openRequestCount = 4096

    /// The most that waits to be sent on one stream; above it the owner stops reading whoever feeds it.
    ///
    /// 4 MiB and one packet: the greatest credit window of `service.open` and what overshoots it.
    public var streamQueueByteCount = (4 << 20) + (64 << 10) + PacketHeader.byteCount

    /// The most that waits to be sent on one connection.
    ///
    /// 16 MiB: four streams with a full window each, so that one connection takes a sixteenth of the portal's
    /// budget of 256 MiB.
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
