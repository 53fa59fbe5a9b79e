internal import Keyring

/// Why the log of policy is not followed, or not appended to.
package enum ClusterPolicyFailure: Error, Equatable, Sendable {
    // What the keyring has, and the log does not.
    /// The keyring says something of the portal, and there is no log.
    case noLog
    /// The keyring says something of the portal that is of no log, and there is one.
    case ownPolicy
    /// The portal was changed while it was run alone.
    case changedAlone
    /// There is a log already, so none can begin.
    case logExists

    // A log that is not believed.
    /// The log is gone, of which this machine had so many records.
    case gone(known: UInt64)
    /// It ends before what this machine has: it was restored from an old copy.
    case rolledBack(last: UInt64, known: UInt64)
    /// A record does not follow from what this machine has.
    case forked(at: UInt64)
    /// A record is missing.
    case gap(at: UInt64)
    /// A message is no record of this portal's.
    case foreign(at: UInt64)
    /// A record says something that this version does not know.
    case later(at: UInt64)

    // What does not go at the moment.
    /// There is no NATS, and this machine has never followed the log.
    case noEngine(String)
    /// The log could not be appended to; why.
    case unavailable(String)
    /// A keyring is being imported.
    case importUnderWay
    /// More denials wait for NATS than may.
    case tooManyDenials(limit: Int)
    /// The change is not possible, or the keyring cannot be used.
    case keyring(String)

    /// Whether nothing of the log is believed, until it is another.
    var freezes: Bool {
        switch self {
        case .gone, .rolledBack, .forked, .gap, .foreign, .later: true
        default: false
        }
    }
}

extension ClusterPolicyFailure: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence.
    package var description: String {
        switch self {
        case .noLog:
            "this home says who may do what at the portal, and the cluster has no log of that yet: run 'cway portal "
                + "cluster import' here, once, or start from an empty home"
        case .ownPolicy:
            "this home says who may do what at the portal, and not by the cluster's log: run 'cway portal cluster "
                + "adopt' here to take the log's word, or start from an empty home"
        case .changedAlone:
            "the portal was changed while it ran without --cluster, so it follows the log no more: run 'cway portal "
                + "cluster adopt' to take the log's word; or delete the stream in NATS and run 'cway portal cluster "
                + "import' to begin another from here"
        case .logExists:
            "the cluster has a log already: to take its word here run 'cway portal cluster adopt'; a log begins but "
                + "once"
        case .gone(let known):
            "the log of policy is gone from NATS, and this machine has \(known) records of it: bring NATS' store back, "
                + "or stop all machines and run 'cway portal cluster import' at one of them"
        case .rolledBack(let last, let known):
            "the log of policy ends at record \(last), and this machine has \(known): NATS' store was restored from an "
                + "old copy; bring the right one back, or stop all machines, delete the stream and run 'cway portal "
                + "cluster import' at one of them"
        case .forked(let index):
            "record \(index) of the log of policy is not the one that this machine has or expects: bring the right "
                + "store of NATS back; where this home alone is wrong, run 'cway portal cluster adopt' here"
        case .gap(let index):
            "record \(index) of the log of policy is missing: bring the right store of NATS back"
        case .foreign(let index):
            "message \(index) of the log of policy is none of this portal's: somebody else writes into it; restrict "
                + "NATS' permissions, and bring its store back as it was before"
        case .later(let index):
            "record \(index) of the log of policy is of a later version of this program: upgrade this machine"
        case .noEngine(let reason):
            "this home has never followed the cluster's log of policy, and NATS does not answer: \(reason)"
        case .unavailable(let reason):
            "the change could not be written into the cluster's log: \(reason); unless it is there all the same, make "
                + "it again when NATS is back"
        case .importUnderWay:
            "a keyring is being imported into the cluster's log: run the import to its end first"
        case .tooManyDenials(let limit):
            "\(limit) denials wait for NATS already, and no more can: bring NATS back first"
        case .keyring(let reason): reason
        }
    }
}
