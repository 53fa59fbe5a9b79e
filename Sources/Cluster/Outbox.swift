/// Numbers this machine's messages, and keeps them for the owner.
struct Outbox: Sendable {
    private let machine: MachineID
    private var engineNumber: UInt64 = 0
    private var linkNumber: UInt64 = 0
    private var outputs: [ClusterOutput] = []

    init(machine: MachineID) { self.machine = machine }

    /// A message for NATS: to all, or to one machine's inbox.
    mutating func publish(_ message: ClusterMessage, to subject: ClusterSubject, at time: HybridTime) {
        engineNumber += 1
        add(
            .publish(
                ClusterEnvelope(sender: machine, number: engineNumber, time: time, message: message), subject)
        )
    }

    /// A message for a control link.
    mutating func send(_ message: ClusterMessage, to other: MachineID, at time: HybridTime) {
        linkNumber += 1
        add(.send(ClusterEnvelope(sender: machine, number: linkNumber, time: time, message: message), other))
    }

    /// To one machine, by the way that a message of its came.
    mutating func answer(
        _ message: ClusterMessage, to other: MachineID, over path: ClusterPath, at time: HybridTime
    ) {
        switch path {
        case .engine: publish(message, to: .inbox(other), at: time)
        case .link: send(message, to: other, at: time)
        }
    }

    mutating func add(_ output: ClusterOutput) { outputs.append(output) }

    /// What the owner has to do, in order, once.
    mutating func take() -> [ClusterOutput] {
        defer { outputs.removeAll(keepingCapacity: outputs.count < 256) }
        return outputs
    }
}
