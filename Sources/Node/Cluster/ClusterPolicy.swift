package import Cluster
package import NATS
internal import NIOCore
package import Transport

/// The log of policy, as the engine of a cluster sees it: what it asks for, and what it is told.
///
/// The engine has ``start()`` and ``run()`` called, passes on what the other machines say, and puts what it is told into
/// its `ClusterMachine`: ``ClusterPolicyEvent/mark(_:)`` into `report(_:)`, ``ClusterPolicyEvent/denials(_:)`` into
/// `report(_:at:)`.
package protocol ClusterPolicy: Sendable {
    /// How far the log is applied here.
    var mark: PolicyMark { get }

    /// How the log is, for people.
    var status: ClusterPolicyStatus { get }

    /// Has what happens told, on any thread, in order; before ``start()``, and once.
    func follow(_ tell: @escaping @Sendable (ClusterPolicyEvent) -> Void)

    /// Brings this machine's keyring to the end of the log, which is made where there is none and nothing stands in the
    /// keyring; to be awaited before the portal accepts anybody.
    ///
    /// Where NATS is away, a keyring that has followed the log before is enough.
    ///
    /// - Throws: a `ClusterPolicyFailure` where the portal must not start.
    func start() async throws

    /// Follows the log, and takes urgent denials into it, until the task is cancelled.
    func run() async

    /// Another machine's heartbeat said how far it has applied the log; at once.
    func heard(_ mark: PolicyMark)

    /// Another machine serves these in nothing, `ClusterOutput.denied`; at once.
    func heard(_ denials: [UrgentDenial])

    /// NATS is there, or not; at once.
    func engineChanged(isUp: Bool)
}

/// What happens with the log of policy.
package enum ClusterPolicyEvent: Equatable, Sendable {
    /// It is applied so far.
    case mark(PolicyMark)
    /// These are denied, and the log does not say so yet; all of them each time, none when it does.
    case denials([UrgentDenial])
}

/// How the log of policy is, for people.
package struct ClusterPolicyStatus: Equatable, Sendable {
    /// Whether it can be believed.
    package enum Standing: Equatable, Sendable {
        /// This machine has all of it that there was when it last looked.
        case current
        /// It was not read yet, or not since NATS went away; why, in words.
        case behind(String)
        /// Nothing of it is believed any more, and nothing appended; why, and what to do, in words.
        case frozen(String)
    }

    /// How far it is applied.
    package var mark: PolicyMark
    /// Whether it can be believed.
    package var standing: Standing
    /// How many denials wait to be taken into it.
    package var urgentDenialCount: Int
}

/// What calls NATS for the log of policy: one call after another, on a thread that may wait.
package protocol EngineCaller: Sendable {
    /// Does something with the connection of the moment that may block for seconds.
    ///
    /// - Throws: `NATSError.notConnected` where there is none, and what `work` throws.
    func call<Result: Sendable>(
        _ work: @escaping @Sendable (NATSConnection) throws -> Result
    ) async throws -> Result
}

/// Calls NATS by one publisher, for a program that does nothing else with it.
package struct PublisherCaller: EngineCaller {
    private let publisher: EnginePublisher

    /// Calls by this publisher.
    package init(_ publisher: EnginePublisher) { self.publisher = publisher }

    package func call<Result: Sendable>(
        _ work: @escaping @Sendable (NATSConnection) throws -> Result
    ) async throws -> Result { try await publisher.call(work).get() }
}

extension ClusterEngine: EngineCaller {}
