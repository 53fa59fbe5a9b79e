import Blinding
import Cluster
import Keyring
import Logging
import NATS
import Node
import PeerSupport
import Testing
import Transport
import TypedSodium

/// A home of a portal, whose keyring follows the log of a cluster while it is open.
final class PolicyHome {
    let folder: TemporaryFolder
    let portal: Identity

    init(of portal: Identity) throws {
        folder = try TemporaryFolder()
        self.portal = portal
    }

    /// Opens the keyring; one at a time.
    func keyring() throws -> Keyring {
        try Keyring(
            folder: folder.path, owner: EndpointKey(portal.publicKey), for: .serving,
            now: WallClock.seconds())
    }

    /// Opens it on a machine of the cluster with this server.
    func machine(at server: NATSServer) throws -> PolicyMachine {
        try PolicyMachine(keyring(), of: portal, at: [server.address])
    }

    /// The same once the machine before it has let go of the keyring, which its threads may hold for a moment.
    func nextMachine(at server: NATSServer) async throws -> PolicyMachine {
        let start = ContinuousClock.now
        while true {
            do {
                return try machine(at: server)
            } catch {
                guard ContinuousClock.now - start < .eventDeadline else { throw error }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }
}

/// A machine's log of policy, with a real NATS.
final class PolicyMachine {
    let membership: Membership
    let policy: SharedPolicy
    /// What the engine was told last, and at which marks.
    let denials = Watched<[UrgentDenial]>([])
    let marks = Watched<[UInt64]>([])
    let connection: NATSConnection
    private let publisher: EnginePublisher
    private var running: Task<Void, Never>?

    init(_ keyring: Keyring, of portal: Identity, at servers: [String]) throws {
        let up = Watched(false)
        let connection = try NATSConnection(NATSSettings(servers: servers, name: "test")) { event in
            switch event {
            case .connected: up.update { $0 = true }
            case .disconnected, .closed: up.update { $0 = false }
            case .lost: break
            }
        }
        self.connection = connection
        publisher = EnginePublisher(connection)
        membership = Membership(keyring)
        policy = try SharedPolicy(
            keyring, of: portal, through: PublisherCaller(publisher),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        policy.follow { [denials, marks] event in
            switch event {
            case .mark(let mark): marks.update { $0.append(mark.index) }
            case .denials(let list): denials.update { $0 = list }
            }
        }
    }

    /// Starts it, and follows from then on; in the order of the portal, which runs it beside its start.
    func start() async throws {
        running = Task { [policy] in await policy.run() }
        try await policy.start()
    }

    /// Ends it, as a process ends: what was under way stays as it is.
    func end() async throws {
        running?.cancel()
        await running?.value
        try await publisher.close()
    }

    /// Waits until the keyring is as wanted.
    func awaits(_ isWanted: @escaping @Sendable (Membership) throws -> Bool) async throws {
        try await before(.eventDeadline) { [membership] in
            while try !isWanted(membership) { try await Task.sleep(for: .milliseconds(20)) }
        }
    }

    /// Waits until the log is as wanted.
    func stands(_ isWanted: @escaping @Sendable (ClusterPolicyStatus.Standing) -> Bool) async throws {
        try await before(.eventDeadline) { [policy] in
            while !isWanted(policy.status.standing) { try await Task.sleep(for: .milliseconds(20)) }
        }
    }
}

extension ClusterPolicyStatus.Standing {
    var isFrozen: Bool {
        if case .frozen = self { return true }
        return false
    }
}
