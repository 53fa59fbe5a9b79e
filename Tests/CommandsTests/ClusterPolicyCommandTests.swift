import Foundation
import Node
import PeerSupport
import Testing

/// What a portal's operator decides at homes of two machines, with a real NATS and no machine that runs.
@Suite("cway portal policy, members, deny and invite of a portal on several machines", .serialized)
struct ClusterPolicyCommandTests {
    private static let id = "@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519"
    private let server: NATSServer
    private let homes = [TestedHome(), TestedHome()]

    init() async throws {
        server = try await NATSServer(["-js"])
        _ = await homes[0].id()
        try FileManager.default.createDirectory(
            atPath: homes[1].path, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        try FileManager.default.copyItem(
            atPath: homes[0].path + "/secret", toPath: homes[1].path + "/secret")
    }

    private func run(_ home: Int, _ arguments: String...) async -> CommandRun {
        await CommandRun(
            arguments + ["--home", homes[home].path],
            environment: CommandRun.environment.merging(["CWAY_CLUSTER_SERVERS": server.address]) { $1 })
    }

    @Test("each home has what the other has decided, and an invite of one is in the other's list")
    func shared() async throws {
        #expect(await run(0, "portal", "members", "add", Self.id, "--label", "anna").ended(.success))
        let invite = await run(
            1, "portal", "invite", "--label", "ben", "--public-host", "portal.example.org:8008")
        #expect(invite.ended(.success) && invite.output.contains("portal.example.org:8008"))
        #expect(
            try await run(1, "portal", "members", "--json").list.map { $0["label"] as? String } == ["anna"])
        let policy = await run(0, "portal", "policy", "--announce", "members", "--json")
        #expect(try policy.object["announce"] as? String == "members")
        #expect(
            try await run(0, "portal", "invites", "--json").list.map { $0["label"] as? String } == ["ben"])
        #expect(await run(0, "portal", "invites", "revoke", "ben").output.contains("revoked"))
        #expect(await run(1, "portal", "invites", "revoke", "ben").output.contains("closed already"))
        let removed = await run(1, "portal", "members", "remove", Self.id)
        #expect(removed.ended(.success))
        #expect(await run(0, "portal", "members", "remove", Self.id).ended(.notFound))
        #expect(await run(0, "portal", "allow", Self.id).ended(.notFound))
        // Without its settings a home of a cluster changes nothing by itself.
        let alone = await homes[0].run("portal", "members", "add", Self.id)
        #expect(alone.ended(.keyringUnusable) && alone.complaints.contains("cluster.servers"))
    }

    @Test("a denial counts in its home while NATS is away, and is in the log when something else gets there")
    func denials() async throws {
        #expect(await run(0, "portal", "members", "add", Self.id).ended(.success))
        server.kill()
        let denied = await run(0, "portal", "deny", Self.id)
        #expect(denied.ended(.success) && denied.output.contains("denied \(Self.id)"))
        #expect(denied.complaints.contains("does not have it yet"))
        #expect(try await run(0, "portal", "policy", "--json").object["denied"] as? [String] == [Self.id])
        try await server.start()
        #expect(await run(0, "portal", "policy", "--call", "members").ended(.success))
        #expect(await run(1, "portal", "policy", "--announce", "members").ended(.success))
        #expect(try await run(1, "portal", "policy", "--json").object["denied"] as? [String] == [Self.id])
        #expect(await run(1, "portal", "allow", Self.id).ended(.success))
        let late = await homes[0].run("portal", "deny", Self.id)
        #expect(late.ended(.success) && late.complaints.contains("name no NATS"))
    }

    @Test(
        "the log begins with the home of a portal that was on one machine, once, and another home takes its word"
    )
    func imported() async throws {
        for home in homes {
            #expect(await home.run("portal", "members", "add", Self.id, "--label", "anna").ended(.success))
        }
        let refused = await run(0, "portal", "deny", Self.id)
        #expect(refused.ended(.success) && refused.complaints.contains("cluster import"))
        #expect(await run(0, "portal", "cluster", "import").output.contains("1 record"))
        let again = await run(0, "portal", "cluster", "import")
        #expect(again.ended(.keyringUnusable) && again.complaints.contains("has a log already"))
        let other = await run(1, "portal", "members", "add", Self.id, "--label", "ben")
        #expect(other.ended(.keyringUnusable) && other.complaints.contains("cluster adopt"))
        #expect(await run(1, "portal", "cluster", "adopt").output.contains("up to record"))
        #expect(await run(1, "portal", "members", "add", Self.id, "--label", "ben").ended(.success))
        #expect(
            try await run(1, "portal", "members", "--json").list.map { $0["label"] as? String } == ["ben"])
        let unnamed = await homes[0].run("portal", "cluster", "import")
        #expect(unnamed.ended(.usage) && unnamed.complaints.contains("cluster.servers"))
    }
}
