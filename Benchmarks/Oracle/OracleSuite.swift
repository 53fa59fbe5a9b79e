internal import Blinding
internal import Foundation
internal import Multiserver
internal import NIOCore
internal import NIOPosix
internal import PeerSupport
internal import SecretHandshake
internal import Synchronization
internal import Transport
internal import Tunnel
internal import TypedSodium

/// Whether the time to a hidden endpoint's answer tells anything: statistics, which nothing here judges.
struct OracleSuite: Suite {
    /// How many tries a class gets unless told otherwise.
    private static let tries = 4000
    /// The pause between two tries: below the 200 proofs a second that an endpoint looks at.
    private static let pause = Duration.microseconds(6_500)
    /// What the order of the classes is drawn from.
    private static let seed: UInt64 = 9
    /// How many tokens: each is wrong once in a minute, or it would be looked at more slowly than the others.
    private static let tokenCount = 20_000

    let summary = """
        oracle: time to a hidden endpoint's refusal, and to the answer to a ping right behind the proof; ms, \
        and how far the mean is from that of the controls, in standard errors (σ), and all times together, by their \
        ranks (z, Mann and Whitney), which outliers do not move
        """

    private struct Case: Sendable {
        let name: String
        let isNamed: Bool
        let make: @Sendable (Int) -> OracleTry
    }

    func run(_ plan: Plan) async throws -> Findings {
        let world = try await OracleWorld(tokenCount: Self.tokenCount)
        var findings = Findings()
        findings.notes.append(
            "controls: the first row of each group; |z| beyond 3 in several runs means something, σ alone is a few "
                + "outliers; classes in random order by seed \(Self.seed)")
        let tries = plan.chosenTries ?? Self.tries
        var (first, random) = (0, OracleRandom(seed: Self.seed))
        for isBusy in [false, true] {
            let load = isBusy ? BusyCore() : nil
            for isNamed in [true, false] {
                let cases = Self.cases(world).filter { $0.isNamed == isNamed }
                let group =
                    "\(isNamed ? "by a token" : "by what was not announced"), one core \(isBusy ? "busy" : "idle")"
                let order = (0..<tries).flatMap { _ in cases.indices }.shuffled(using: &random)
                findings.rows += try await measure(cases, in: order, from: first, group: group, world)
                first += tries * cases.count
            }
            load?.stop()
        }
        await world.close()
        return findings
    }

    private static func cases(_ world: OracleWorld) -> [Case] {
        let (endpoint, stranger) = (world.endpoint.publicKey, world.stranger)
        func by(
            _ token: @escaping @Sendable (Int) -> PairToken, _ identity: Identity, _ server: PublicKey,
            _ name: String, isNoise: Bool = false, instance: Int64 = 0
        ) -> Case {
            Case(name: name, isNamed: true) {
                OracleTry(
                    target: token($0).target, instance: instance, inside: (identity, server), isNoise: isNoise
                )
            }
        }
        func unnamed(_ target: String, _ name: String) -> Case {
            Case(name: name, isNamed: false) { _ in OracleTry(target: target) }
        }
        return [
            by(world.ghost, stranger, endpoint, "a ghost's token, a stranger's key"),
            by(world.friendToken, stranger, endpoint, "a friend's token, a stranger's key"),
            by(world.friendToken, world.other, endpoint, "a friend's token, another friend's key"),
            by(world.ghost, world.friend, endpoint, "a ghost's token, a friend's key"),
            by(world.friendToken, stranger, stranger.publicKey, "a friend's token, a wrong endpoint"),
            by(world.ghost, stranger, stranger.publicKey, "a ghost's token, a wrong endpoint"),
            by(world.friendToken, stranger, endpoint, "a friend's token, noise for a proof", isNoise: true),
            by(
                world.friendToken, world.friend, endpoint, "a friend's token and key, no instance",
                instance: 7),
            by(
                world.friendToken, world.friend, endpoint, "a friend's token and key, another's instance",
                instance: 1),
            by(world.friendToken, world.friend, endpoint, "a friend's token and key: let in"),
            unnamed(world.stranger.publicKey.id, "an unknown id"),
            unnamed(endpoint.id, "the endpoint's id"),
            unnamed(world.friend.publicKey.id, "a friend's id"),
            unnamed(world.unknown.target, "an unknown token"),
            unnamed(PairToken(endpoint.bytes).target, "the endpoint's id as a token"),
        ]
    }

    /// Tries all classes in an order drawn at random, so that the machine's moods meet all of them.
    private func measure(
        _ cases: [Case], in order: [Int], from first: Int, group: String, _ world: OracleWorld
    ) async throws -> [Row] {
        var answers = [[OracleAnswer]](repeating: [], count: cases.count)
        try await withThrowingTaskGroup(of: (Int, OracleAnswer).self) { tasks in
            for (number, index) in order.enumerated() {
                let attempt = cases[index].make(first + number)
                tasks.addTask { (index, try await world.portal.make(attempt)) }
                try await Task.sleep(for: Self.pause)
            }
            for try await (index, answer) in tasks { answers[index].append(answer) }
        }
        let controls = (TimeSample(answers[0].map(\.end)), TimeSample(answers[0].compactMap(\.ping)))
        return zip(cases, answers).map { entry, answers in
            let admitted = answers.count(where: \.isAdmitted)
            let (end, ping) = (TimeSample(answers.map(\.end)), TimeSample(answers.compactMap(\.ping)))
            var figures = end.figures("", against: admitted > 0 ? nil : controls.0)
            if !ping.values.isEmpty { figures += ping.figures("ping ", against: controls.1) }
            return Row(name: entry.name, figures: figures, group: group)
        }
    }
}

/// A hidden endpoint with two friends and many tokens, at a portal that measures.
final class OracleWorld: Sendable {
    let endpoint, friend, other, stranger: Identity
    let portal: OraclePortal
    let unknown: PairToken
    private let ghosts: [PairToken]
    private let friends: [PairToken]
    private let link: NodeLink
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)

    init(tokenCount: Int) async throws {
        endpoint = try .random()
        friend = try .random()
        other = try .random()
        stranger = try .random()
        func token() throws -> PairToken { PairToken(try Identity.random().publicKey.bytes) }
        unknown = try token()
        ghosts = try (0..<tokenCount / 2).map { _ in try token() }
        friends = try (0..<tokenCount / 2).map { _ in try token() }
        portal = try await OraclePortal(on: group.next())
        var policy = EndpointPolicy(
            services: [], access: .only([friend.publicKey: .all, other.publicKey: .all]))
        policy.instances[1] = .init(services: ["ssh"], access: .only([other.publicKey: .all]))
        let configuration = NodeConnection.Configuration(
            identity: endpoint, network: .scuttlebutt, reception: .hidden(policy), wallClock: { 0 })
        link = try await NodeLink.dial(
            portal.address.key, over: TCPConnector(portal.address.net), showing: .random(),
            configuration: configuration, on: group.next())
        let owner = friend.publicKey
        try await link.announce(
            hidden: ghosts.map { TokenEntry(token: $0, owner: nil) }
                + friends.map { TokenEntry(token: $0, owner: owner) })
    }

    @Sendable func ghost(_ number: Int) -> PairToken { ghosts[number % ghosts.count] }

    @Sendable func friendToken(_ number: Int) -> PairToken { friends[number % friends.count] }

    func close() async {
        await link.close()
        await portal.close()
        try? await group.shutdownGracefully()
    }
}

/// Keeps one core busy.
private final class BusyCore: Sendable {
    private let isOver = Atomic(false)

    init() {
        Thread.detachNewThread { [self] in
            while !isOver.load(ordering: .relaxed) {}
        }
    }

    func stop() { isOver.store(true, ordering: .relaxed) }
}
