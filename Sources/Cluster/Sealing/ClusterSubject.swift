/// Where a message goes, which is part of what it is sealed with.
package enum ClusterSubject: Hashable, Sendable {
    /// Heartbeats, to all machines.
    case heartbeat
    /// Announcements that begin, to all machines.
    case claim
    /// Announcements that end, to all machines.
    case left
    /// Look-ups, to all machines.
    case question
    /// Denials that the log does not say yet, to all machines.
    case denial
    /// Answers, lists and what is meant for one machine alone.
    case inbox(MachineID)
    /// The control link, in the direction to a machine; no subject of NATS.
    case link(to: MachineID)

    /// What a machine subscribes to.
    package static func subscriptions(of machine: MachineID) -> [ClusterSubject] {
        [.heartbeat, .claim, .left, .question, .denial, .inbox(machine)]
    }

    /// The name in full: of the subject of NATS, and as associated data.
    package func name(under portal: String) -> String {
        let end =
            switch self {
            case .heartbeat: "hb"
            case .claim: "claim"
            case .left: "left"
            case .question: "q"
            case .denial: "deny"
            case .inbox(let machine): "to.\(machine.text)"
            case .link(let machine): "link.\(machine.text)"
            }
        return "cw.\(portal).\(end)"
    }
}
