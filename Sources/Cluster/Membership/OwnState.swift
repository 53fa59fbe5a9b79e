/// What a machine is told at its start.
package struct MachineSettings: Sendable {
    /// Sixteen random bytes.
    package var machine: MachineID
    /// Where others dial links to it: printable ASCII, at most 255 bytes.
    package var address: String
    /// What the wall clock shows, in milliseconds since 1970.
    package var wallMilliseconds: UInt64
    /// What it can do beyond this version of the protocol.
    package var features: UInt32 = 0

    /// A machine that starts.
    package init(machine: MachineID, address: String, wallMilliseconds: UInt64) {
        precondition(
            address.utf8.count <= 255 && address.utf8.allSatisfy { (0x21...0x7e).contains($0) },
            "an address is printable ASCII of at most 255 bytes")
        self.machine = machine
        self.address = address
        self.wallMilliseconds = wallMilliseconds
    }
}

/// What a machine says of itself.
struct OwnState: Sendable {
    let settings: MachineSettings
    let startedAt: HybridTime
    var load = MachineLoad()
    var policy = PolicyMark()
    var wallMilliseconds: UInt64
    var hasEngine = false
    var isDraining = false
    var isServing = false

    init(_ settings: MachineSettings, startedAt: HybridTime) {
        self.settings = settings
        self.startedAt = startedAt
        wallMilliseconds = settings.wallMilliseconds
    }

    func heartbeat(_ claims: OwnClaims) -> Heartbeat {
        var condition: Heartbeat.Condition = isServing ? [.serving] : []
        if hasEngine { condition.insert(.hasEngine) }
        if isDraining { condition.insert(.draining) }
        return Heartbeat(
            address: settings.address, startedAt: startedAt, wallMilliseconds: wallMilliseconds, load: load,
            condition: condition, features: settings.features, claimNumber: claims.number,
            openCount: UInt32(clamping: claims.openCount), openHash: claims.openHash, policy: policy)
    }
}
