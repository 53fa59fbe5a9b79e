/// A machine of a cluster as its operator sees it, and the others as it sees them.
package struct ClusterReport: Codable, Equatable, Sendable {
    /// The machine's name, drawn at its start.
    package var machine = ""
    /// Where other machines dial it.
    package var address = ""
    /// Whether it serves.
    package var isServing = false
    /// Whether it ends, and lets its endpoints go elsewhere.
    package var isDraining = false
    /// NATS, as this machine has it.
    package var engine = EngineReport()
    /// The log of policy; `nil` where there is none.
    package var policy: PolicyReport?
    /// The other machines.
    package var machines: [MachineReport] = []
    /// How many look-ups are under way.
    package var lookUpCount = 0
    /// How many there were.
    package var lookUpTotal = 0
    /// How many found nobody.
    package var missTotal = 0
    /// Messages that were taken.
    package var takenCount = 0
    /// Messages that were dropped, by reason; what was not is left out.
    package var dropped: [String: Int] = [:]
    /// What became of messages for NATS.
    package var published: [String: Int] = [:]
    /// Announcements that gave way to one at another machine.
    package var yieldedCount = 0

    /// A machine of which nothing is known.
    package init() {}
}

/// NATS as a machine has it.
package struct EngineReport: Codable, Equatable, Sendable {
    /// Whether there is a connection.
    package var isConnected = false
    /// The server that it stands with.
    package var server: String?
    /// All servers that are named.
    package var servers: [String] = []
    /// Why there is none, where that is known.
    package var complaint: String?

    /// Nothing is known.
    package init() {}
}

/// The log of policy as a machine has it.
package struct PolicyReport: Codable, Equatable, Sendable {
    /// How many records are applied.
    package var index: UInt64
    /// `current`, `behind` or `frozen`.
    package var standing: String
    /// Why, where it is not current.
    package var reason: String?
    /// Denials that it does not say yet.
    package var urgentDenialCount: Int

    /// These facts.
    package init(index: UInt64, standing: String, reason: String?, urgentDenialCount: Int) {
        self.index = index
        self.standing = standing
        self.reason = reason
        self.urgentDenialCount = urgentDenialCount
    }
}

/// Another machine.
package struct MachineReport: Codable, Equatable, Sendable {
    /// Its name.
    package var machine: String
    /// Where links to it are dialled.
    package var address: String
    /// `new` before it has answered, then `live` or `suspect`.
    package var standing: String
    /// Whether the link for messages stands.
    package var isLinked: Bool
    /// Whether it serves.
    package var isServing: Bool
    /// Whether it ends.
    package var isDraining: Bool
    /// Whether it has NATS.
    package var hasEngine: Bool
    /// Its connections.
    package var connectionCount: Int
    /// Its tunnels.
    package var tunnelCount: Int
    /// What it relays in a second, in bytes.
    package var bytesPerSecond: Int
    /// How far its log of policy is applied.
    package var policyIndex: UInt64
    /// How long its latest answer took, in milliseconds.
    package var roundTripMilliseconds: Double?
    /// By how much its wall clock is ahead of this machine's, in milliseconds.
    package var clockMilliseconds: Int?

    /// A machine with this name.
    package init(_ machine: String, at address: String) {
        self.machine = machine
        self.address = address
        standing = "new"
        (isLinked, isServing, isDraining, hasEngine) = (false, false, false, false)
        (connectionCount, tunnelCount, bytesPerSecond, policyIndex) = (0, 0, 0, 0)
    }
}
