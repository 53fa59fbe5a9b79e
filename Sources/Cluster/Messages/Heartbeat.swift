package import TypedSodium

/// How much a machine has to do.
package struct MachineLoad: Equatable, Sendable {
    /// Connections of endpoints and clients.
    package var connectionCount: UInt32 = 0
    /// Tunnels.
    package var tunnelCount: UInt32 = 0
    /// Bytes that it relays in a second.
    package var bytesPerSecond: UInt64 = 0

    /// Nothing to do.
    package init() {}
}

/// How far a machine's log of policy has come.
package struct PolicyMark: Equatable, Sendable {
    /// The index of its last record; 0 where it has none.
    package var index: UInt64
    /// The hash of that record.
    package var hash: FixedBytes<32>

    /// How far it has come.
    package init(index: UInt64 = 0, hash: FixedBytes<32> = FixedBytes()) {
        self.index = index
        self.hash = hash
    }
}

/// What a machine says every second, by NATS and on its control links.
package struct Heartbeat: Equatable, Sendable {
    /// What a machine is at.
    package struct Condition: OptionSet, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// It lets its endpoints go elsewhere, and will end.
        package static let draining = Condition(rawValue: 1)
        /// It has NATS.
        package static let hasEngine = Condition(rawValue: 2)
        /// It has all lists, and serves.
        package static let serving = Condition(rawValue: 4)

        static let known: Condition = [.draining, .hasEngine, .serving]
    }

    /// Where links to it are dialled.
    package var address: String
    /// When it started: of two at one address the later is the successor.
    package var startedAt: HybridTime
    /// What its wall clock shows, in milliseconds since 1970: for people, decides nothing.
    package var wallMilliseconds: UInt64
    /// What it has to do.
    package var load: MachineLoad
    /// What it is at.
    package var condition: Condition
    /// What it can do beyond this version of the protocol.
    package var features: UInt32
    /// The number of its latest claims or departures.
    package var claimNumber: UInt64
    /// How many open ids it has.
    package var openCount: UInt32
    /// Of its open ids with their stamps.
    package var openHash: ClaimSetHash
    /// How far its log of policy has come.
    package var policy: PolicyMark

    /// What a machine says of itself.
    package init(
        address: String, startedAt: HybridTime, wallMilliseconds: UInt64, load: MachineLoad,
        condition: Condition, features: UInt32, claimNumber: UInt64, openCount: UInt32,
        openHash: ClaimSetHash, policy: PolicyMark
    ) {
        self.address = address
        self.startedAt = startedAt
        self.wallMilliseconds = wallMilliseconds
        self.load = load
        self.condition = condition
        self.features = features
        self.claimNumber = claimNumber
        self.openCount = openCount
        self.openHash = openHash
        self.policy = policy
    }

    var byteCount: Int { 1 + address.utf8.count + 8 + 8 + 16 + 1 + 4 + 8 + 4 + 16 + 40 }

    func write(to writer: inout ClusterWriter) {
        writer.write(address)
        writer.write(startedAt.value)
        writer.write(wallMilliseconds)
        writer.write(load.connectionCount)
        writer.write(load.tunnelCount)
        writer.write(load.bytesPerSecond)
        writer.write(condition.rawValue)
        writer.write(features)
        writer.write(claimNumber)
        writer.write(openCount)
        writer.write(openHash.first)
        writer.write(openHash.second)
        writer.write(policy.index)
        writer.write(policy.hash)
    }
}

extension Heartbeat {
    init(from reader: inout ClusterReader) throws(ClusterError) {
        address = try reader.text()
        startedAt = try reader.time()
        wallMilliseconds = try reader.number()
        load = MachineLoad()
        load.connectionCount = try reader.number()
        load.tunnelCount = try reader.number()
        load.bytesPerSecond = try reader.number()
        condition = Condition(rawValue: try reader.number()).intersection(.known)
        features = try reader.number()
        claimNumber = try reader.number()
        openCount = try reader.number()
        openHash = ClaimSetHash(first: try reader.number(), second: try reader.number())
        policy = PolicyMark(index: try reader.number(), hash: try reader.fixed())
    }
}
