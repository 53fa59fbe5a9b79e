internal import Connection
package import MuxRPC
internal import Synchronization
internal import TypedSodium

/// What a portal has to know of a method that it offers; each has a file of its own, which only ``PortalMethods`` names.
protocol PortalMethod: SendableMetatype {
    /// What the manifest says of it.
    static var kind: MethodKind { get }

    /// What the body of a call needs, in bytes, of a peer that may announce so many tokens; `nil` where that is no more
    /// than any call's.
    static func bodyByteCount(tokenLimit: Int) -> Int?

    /// Whether its longer calls are handed out unread: reading them takes too long for an event loop.
    static var isLeftUnread: Bool { get }

    /// Whether a peer may use it at all that is not denied; whom it may reach with it is another matter.
    static func isOpenUndenied(to standing: PortalPolicy.Standing) -> Bool

    /// Answers a call of a peer that may make it.
    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls)
}

extension PortalMethod {
    static func bodyByteCount(tokenLimit: Int) -> Int? { nil }

    static var isLeftUnread: Bool { false }

    static func isOpenUndenied(to standing: PortalPolicy.Standing) -> Bool { standing != .invited }

    static func isOpen(to standing: PortalPolicy.Standing) -> Bool {
        standing != .denied && isOpenUndenied(to: standing)
    }
}

/// What a portal offers.
package enum PortalMethods {
    /// The one list; the manifest has them in this order.
    private static let all: KeyValuePairs<Method, any PortalMethod.Type> = [
        .whoAmI: WhoAmIMethod.self,
        .announce: AnnounceMethod.self,
        .leave: LeaveMethod.self,
        .connect: ConnectMethod.self,
        .endpoints: EndpointsMethod.self,
        .isRoom: MetadataMethod.self,
        .ping: PingMethod.self,
        .metadata: MetadataMethod.self,
        .attendants: AttendantsMethod.self,
        .members: MembersMethod.self,
        .connectInRoom: ConnectMethod.self,
        .gossipPing: GossipPingMethod.self,
        .useInvite: UseInviteMethod.self,
    ]

    private static let byMethod = Dictionary(uniqueKeysWithValues: all.map { ($0.key, $0.value) })

    /// The method of that name; `nil` for a name that is not in ``manifest``.
    static subscript(name: [String]) -> (any PortalMethod.Type)? {
        Method(name: name).flatMap { byMethod[$0] }
    }

    /// Whether a peer of that standing may use a method.
    static func isOpen(_ method: Method, to standing: PortalPolicy.Standing) -> Bool {
        byMethod[method]?.isOpen(to: standing) ?? false
    }

    // MARK: The manifest

    /// What the body of any call may have, in bytes, unless it needs more.
    static let bodyByteCount = 4 << 10

    /// The methods, before it is known how many tokens the peer may announce.
    ///
    /// Go peers refuse locally to call what is missing here; JavaScript ones are told with the very words that
    /// make ssb-room-client fall back from `room.*` to `tunnel.*`.
    package static let manifest = Manifest(
        [(name: Method.manifest.rawValue, kind: .sync)]
            + all.map { (name: $0.key.rawValue, kind: $0.value.kind) }
    ).limitingBodies(to: bodyByteCount, bodyByteCounts(tokenLimit: TokenLimits().memberCount))

    /// ``manifest``, for a peer that may announce so many tokens: no call may be longer than its method needs.
    ///
    /// All peers of a kind share one.
    package static func manifest(tokenLimit: Int) -> Manifest {
        shared.withLock { shared in
            if let manifest = shared[tokenLimit] { return manifest }
            // There are as many limits as standings; others come with other settings.
            if shared.count >= sharedCount { shared.removeAll() }
            let made = manifest.limitingBodies(to: bodyByteCount, bodyByteCounts(tokenLimit: tokenLimit))
                .leavingUnread(Set(all.filter { $0.value.isLeftUnread }.map(\.key.rawValue)))
            shared[tokenLimit] = made
            return made
        }
    }

    private static let sharedCount = 16
    private static let shared = Mutex<[Int: Manifest]>([:])

    private static func bodyByteCounts(tokenLimit: Int) -> [String: Int] {
        var byteCounts: [String: Int] = [:]
        for (method, answerer) in all {
            byteCounts[method.rawValue] = answerer.bodyByteCount(tokenLimit: tokenLimit)
        }
        return byteCounts
    }
}
