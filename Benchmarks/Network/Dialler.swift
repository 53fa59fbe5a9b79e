internal import Multiserver
internal import NIOCore
internal import NIOPosix
internal import SecretHandshake
internal import Transport
internal import Tunnel
internal import TypedSodium

/// Nodes of the benchmark's own, in this process: the code that `cway` runs, without its processes.
struct Dialler: Sendable {
    /// What they run on.
    let group: MultiThreadedEventLoopGroup

    init(threadCount: Int = 1) { group = MultiThreadedEventLoopGroup(numberOfThreads: threadCount) }

    /// Connects a fresh identity to a portal.
    func dial(
        _ portal: PeerAddress, reception: NodeConnection.Reception = .none,
        report: @escaping @Sendable (NodeLinkEvent) -> Void = { _ in }
    ) async throws -> (link: NodeLink, key: PublicKey) {
        let identity = try Identity.random()
        let configuration = NodeConnection.Configuration(
            identity: identity, network: .scuttlebutt, reception: reception, wallClock: { 0 })
        let link = try await NodeLink.dial(
            portal.key, over: TCPConnector(portal.net), showing: identity, configuration: configuration,
            on: group.next(), report: report)
        return (link, identity.publicKey)
    }

    /// Connects an endpoint without services, and waits until it is announced.
    func announce(at portal: PeerAddress) async throws -> (link: NodeLink, key: PublicKey) {
        let (announced, continuation) = AsyncStream.makeStream(of: Void.self)
        let policy = EndpointPolicy(services: [], access: .anyone)
        let node = try await dial(portal, reception: .open(policy)) { event in
            if case .announced = event { continuation.finish() }
        }
        node.link.announce()
        for await _ in announced {}
        return node
    }

    /// Does something many times, some of it at once.
    static func repeating<Value: Sendable>(
        _ count: Int, atOnce: Int, _ work: @escaping @Sendable (Int) async throws -> Value
    ) async throws -> [Value] {
        try await withThrowingTaskGroup(of: Value.self) { tasks in
            var values: [Value] = []
            for index in 0..<count {
                if index >= atOnce, let value = try await tasks.next() { values.append(value) }
                tasks.addTask { try await work(index) }
            }
            for try await value in tasks { values.append(value) }
            return values
        }
    }

    /// Says goodbye everywhere, and stops.
    func end(_ links: [NodeLink]) async {
        await close(links)
        try? await group.shutdownGracefully()
    }

    /// Says goodbye everywhere.
    func close(_ links: [NodeLink]) async {
        await withTaskGroup(of: Void.self) { tasks in
            for link in links { tasks.addTask { await link.close() } }
        }
    }
}
