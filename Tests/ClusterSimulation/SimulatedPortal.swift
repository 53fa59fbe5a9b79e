import Blinding
package import Cluster
package import NIOCore
package import PortalCore
import TypedSodium

/// One process of a cluster in a simulation: the real machine, and the real directory of tokens.
package final class SimulatedPortal {
    package let index: Int
    package internal(set) var machine: ClusterMachine
    package private(set) var directory: HiddenDirectory
    /// Whether the process is there.
    package internal(set) var isAlive = true
    /// Until when the process is stopped.
    package internal(set) var frozenUntil: NIODeadline?
    /// Since when nothing has happened to it.
    package internal(set) var healthySince: NIODeadline

    /// The machines to which there is a link.
    var links: Set<Int> = []
    /// The endpoint of each connection, and whether it is still called for its tokens or its id.
    var endpoints: [ConnectionID: Int] = [:]
    /// The connection under which each key is announced.
    var connections: [PublicKey: ConnectionID] = [:]
    /// When the next handshake has its turn.
    var handshakeAt: NIODeadline
    /// For when the next call of the machine is planned.
    var wakeAt: NIODeadline?
    /// What waits for the process to go on.
    var held: [(ClusterEnvelope, ClusterPath)] = []

    private let settings: MachineSettings
    private var lastConnection: UInt64 = 0

    init(_ index: Int, _ settings: MachineSettings, at now: NIODeadline) {
        self.index = index
        self.settings = settings
        machine = ClusterMachine(settings, at: now)
        directory = Self.emptyDirectory()
        handshakeAt = now
        healthySince = now
    }

    private static func emptyDirectory() -> HiddenDirectory {
        var limits = TokenLimits()
        limits.totalCount = 1 << 23
        return HiddenDirectory(limits: limits)
    }

    /// Whether it can be called for anything.
    func isRunning(at now: NIODeadline) -> Bool { isAlive && (frozenUntil.map { $0 <= now } ?? true) }

    /// An endpoint announces itself on a connection of its own.
    func attach(_ endpoint: Int, _ key: PublicKey, tokens: [PairToken]?, at now: NIODeadline) -> ConnectionID
    {
        lastConnection += 1
        let connection = ConnectionID(lastConnection)
        if let former = connections[key] {
            endpoints[former] = nil
            directory.remove(former)
            directory.forget(.max)
        }
        endpoints[connection] = endpoint
        connections[key] = connection
        if let tokens { replaceTokens(tokens, of: key, on: connection) }
        _ = machine.announce(key, tokens == nil ? .explicit : [.explicit, .hidden], at: now)
        return connection
    }

    /// A hidden endpoint announces other tokens.
    func replaceTokens(_ tokens: [PairToken], of key: PublicKey, on connection: ConnectionID) {
        guard let announcement = try? HiddenAnnouncement(tokens: tokens) else { return }
        let announcer = HiddenDirectory.Announcer(
            connection, key: key, source: String(connection.value), isMember: true)
        _ = try? directory.begin(announcement, by: announcer)
        while directory.insert(.max, on: connection) {}
        _ = directory.finish(connection)
        directory.forget(.max)
    }

    /// A connection is over.
    func detach(_ connection: ConnectionID, _ key: PublicKey, at now: NIODeadline) {
        guard endpoints.removeValue(forKey: connection) != nil else { return }
        directory.remove(connection)
        directory.forget(.max)
        guard connections[key] == connection else { return }
        connections[key] = nil
        machine.leave(key, at: now)
    }

    /// The keys that have announced a token here.
    func keys(of token: FixedBytes<32>, by key: PublicKey?, _ keyOf: (Int) -> PublicKey) -> [PublicKey] {
        directory.connections(of: PairToken(token), provedBy: key).compactMap { endpoints[$0] }.map(keyOf)
    }

    /// Gives back what the process holds, just before it ends, and says how much each of its tables took.
    ///
    /// `heap` tells how much this process has allocated.
    package func dropTables(
        measuring heap: () -> Int, at now: NIODeadline
    ) -> (directory: Int, machine: Int) {
        let before = heap()
        directory = Self.emptyDirectory()
        let between = heap()
        machine = ClusterMachine(settings, at: now)
        return (before - between, between - heap())
    }

    /// The process is gone, with all that it held.
    func end() {
        isAlive = false
        endpoints = [:]
        connections = [:]
        links = []
        held = []
        directory = Self.emptyDirectory()
    }
}
