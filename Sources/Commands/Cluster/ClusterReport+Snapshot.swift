internal import Cluster
internal import NIOCore
internal import Node
internal import Transport
internal import Watching

extension ClusterReport {
    /// A machine as it was looked at.
    init(_ snapshot: ClusterSnapshot) {
        self.init()
        machine = snapshot.machine.text
        address = snapshot.address
        isServing = snapshot.isServing
        isDraining = snapshot.isDraining
        engine.isConnected = snapshot.engine.isConnected
        engine.server = snapshot.engine.server
        engine.servers = snapshot.servers
        engine.complaint = snapshot.engine.complaint
        policy = snapshot.policy.map(PolicyReport.init)
        machines = snapshot.machines.map(MachineReport.init)
        lookUpCount = snapshot.lookUpCount
        lookUpTotal = snapshot.lookUpTotal
        missTotal = snapshot.missTotal
        takenCount = snapshot.counts.taken
        dropped = snapshot.dropped
        published = snapshot.published
        yieldedCount = snapshot.counts.yielded
    }
}

extension PolicyReport {
    fileprivate init(_ status: ClusterPolicyStatus) {
        let (standing, reason): (String, String?) =
            switch status.standing {
            case .current: ("current", nil)
            case .behind(let reason): ("behind", reason)
            case .frozen(let reason): ("frozen", reason)
            }
        self.init(
            index: status.mark.index, standing: standing, reason: reason,
            urgentDenialCount: status.urgentDenialCount)
    }
}

extension MachineReport {
    fileprivate init(_ neighbour: ClusterSnapshot.Neighbour) {
        let (status, heartbeat) = (neighbour.status, neighbour.status.heartbeat)
        self.init(status.machine.text, at: heartbeat.address)
        standing = !status.isCounted ? "new" : status.isSuspect ? "suspect" : "live"
        isLinked = status.isLinked
        isServing = heartbeat.condition.contains(.serving)
        isDraining = heartbeat.condition.contains(.draining)
        hasEngine = heartbeat.condition.contains(.hasEngine)
        connectionCount = Int(heartbeat.load.connectionCount)
        tunnelCount = Int(heartbeat.load.tunnelCount)
        bytesPerSecond = Int(clamping: heartbeat.load.bytesPerSecond)
        policyIndex = heartbeat.policy.index
        roundTripMilliseconds = neighbour.roundTrip.map { (Double($0.nanoseconds) / 10_000).rounded() / 100 }
        clockMilliseconds = neighbour.clockMilliseconds.map { Int(clamping: $0) }
    }
}
