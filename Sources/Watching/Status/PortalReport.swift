/// A portal as its operator sees it: no names of hidden endpoints, no pairs of those who speak with each other.
package struct PortalReport: Codable, Equatable, Sendable {
    /// Its addresses.
    package var addresses: [String] = []
    /// Those who are announced under their ids, ``listLimit`` at most.
    package var endpoints: [EndpointReport] = []
    /// How many are announced under their ids.
    package var endpointCount = 0
    /// How many are announced by tokens.
    package var hiddenEndpointCount = 0
    /// How many connections there are.
    package var connectionCount = 0
    /// How many there may be.
    package var connectionLimit = 0
    /// How many tunnels there are.
    package var tunnelCount = 0
    /// What went on in the last ten seconds.
    package var lastTenSeconds = RateReport()
    /// What went on in the last minute.
    package var lastMinute = RateReport()
    /// What has passed through tunnels since the portal began, in bytes.
    package var relayedByteCount = 0
    /// How many connections were accepted since it began.
    package var acceptedCount = 0
    /// How many tunnels were begun since, by id and by token.
    package var openedTunnelCount = 0
    /// How many peers were turned away since, because they may not connect.
    package var denialCount = 0
    /// How often each limit was met since the portal began; kinds that were not met are left out.
    package var limits: [String: Int] = [:]
    /// What peers make it hold, in bytes.
    package var heldByteCount = 0
    /// What they may make it hold.
    package var heldByteLimit = 0
    /// What waits in tunnels, in bytes of memory.
    package var queuedByteCount = 0
    /// Who may announce and call: `everyone` or `members`.
    package var announcers = "everyone"
    /// Who may call.
    package var callers = "everyone"
    /// Its members, ``listLimit`` at most.
    package var members: [MemberReport] = []
    /// How many members there are.
    package var memberCount = 0
    /// How many keys are served in nothing.
    package var deniedCount = 0
    /// What a member, and a source, may have.
    package var allowances = AllowanceReport()
    /// The sources that have most of what they may, ``sourceLimit`` at most; none where they have no limit.
    package var sources: [SourceReport] = []

    /// How many endpoints, and members, are listed.
    package static let listLimit = 1_000
    /// How many sources are listed.
    package static let sourceLimit = 20

    /// A portal of which nothing is known.
    package init() {}
}

/// How much goes on, as a mean over some time.
package struct RateReport: Codable, Equatable, Sendable {
    /// What passes through tunnels.
    package var bytesPerSecond = 0.0
    /// How many tunnels are begun.
    package var tunnelsPerSecond = 0.0
    /// How many connections are accepted.
    package var connectionsPerSecond = 0.0

    /// Nothing.
    package init() {}
}

/// Somebody who is announced under an id.
package struct EndpointReport: Codable, Equatable, Sendable {
    /// The id.
    package var id: String
    /// What the operator calls it, where it is a member.
    package var label: String?

    /// An endpoint.
    package init(id: String, label: String?) {
        self.id = id
        self.label = label
    }
}

/// A member of a portal.
package struct MemberReport: Codable, Equatable, Sendable {
    /// The key that it shows there.
    package var id: String
    /// What the operator calls it.
    package var label: String
    /// How many connections it has.
    package var connectionCount = 0
    /// How many tunnels it is an end of.
    package var tunnelCount = 0
    /// What went through tunnels that it pays for in this month, in bytes.
    package var monthByteCount = 0
    /// Whether it has used up its volume.
    package var isUsedUp = false

    /// A member without a connection.
    package init(id: String, label: String) {
        self.id = id
        self.label = label
    }
}

/// What the operator lets each member, and each source of others, have.
package struct AllowanceReport: Codable, Equatable, Sendable {
    /// A member's rate; `nil` where there is no limit.
    package var memberBytesPerSecond: Int?
    /// A member's volume in a month.
    package var memberMonthByteLimit: Int?
    /// A source's rate.
    package var sourceBytesPerSecond: Int?
    /// A source's volume in a month.
    package var sourceMonthByteLimit: Int?

    /// No limits.
    package init() {}
}

/// A source address that tunnels of strangers are counted for.
package struct SourceReport: Codable, Equatable, Sendable {
    /// The address, or a network's.
    package var source: String
    /// What went through its tunnels in this month, in bytes.
    package var monthByteCount: Int
    /// Whether it has used up its volume.
    package var isUsedUp: Bool

    /// A source.
    package init(source: String, monthByteCount: Int, isUsedUp: Bool) {
        self.source = source
        self.monthByteCount = monthByteCount
        self.isUsedUp = isUsedUp
    }
}
