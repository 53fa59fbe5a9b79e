import Blinding
import Cluster
import Foundation
import Keyring
import Logging
import NATS
import PeerSupport
import TestSupport
import Testing
import Transport
import TypedSodium

@testable import Node

@Suite("Cluster: what becomes of a record that NATS does not answer for", .serialized)
struct LogKeeperTests {
    /// Calls NATS, or finds no connection.
    private struct LostCaller: EngineCaller {
        let publisher: PublisherCaller
        let isLost: Watched<Bool>

        func call<Result: Sendable>(
            _ work: @escaping @Sendable (NATSConnection) throws -> Result
        ) async throws -> Result {
            guard !isLost.value else { throw NATSError.notConnected }
            return try await publisher.call(work)
        }
    }

    private let home: PolicyHome
    private let server: NATSServer
    private let publisher: EnginePublisher
    private let client: LogClient
    private let isLost = Watched(false)
    private let marks = Watched<[UInt64]>([])

    init() async throws {
        home = try PolicyHome(of: Identity(seed: SecretKey.random()))
        server = try await NATSServer(["-js"])
        publisher = EnginePublisher(
            try NATSConnection(NATSSettings(servers: [server.address], name: "test")) { _ in })
        let keeper = try LogKeeper(
            Membership(home.keyring()).log, ClusterSeal(ClusterKeys(portal: home.portal))
        ) { [marks] mark in marks.update { $0.append(mark.index) } }
        client = LogClient(
            keeper, LostCaller(publisher: PublisherCaller(publisher), isLost: isLost),
            Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await client.begin(for: .eventDeadline)
    }

    private func invite() throws -> PolicyChange {
        try MemberInvites.draft(
            label: "guest", uses: 1, expiry: nil, seed: SecretKey.random(), now: WallClock.seconds()
        ).change
    }

    /// Has a change sent of which NATS says nothing, and which then stands in the log all the same.
    private func sendUnanswered(_ change: PolicyChange) async throws {
        let seal = try ClusterSeal(ClusterKeys(portal: home.portal))
        let (name, subject) = (seal.logName, seal.logSubject)
        let (sent, isUp) = (Watched<[[UInt8]]>([]), Watched(false))
        let other = try NATSConnection(NATSSettings(servers: [server.address], name: "other")) { event in
            if event == .connected { isUp.update { $0 = true } }
        }
        _ = try await isUp.first { $0 ? true : nil }
        let subscription = try other.subscribe(to: subject) { message in
            sent.update { $0.append(message.payload) }
        }
        try other.flush()
        let attempt = try await client.call { keeper, connection in
            try keeper.attempt(
                1,
                { _ in
                    // Without a stream nobody answers for what is sent to its subject.
                    try? connection.publish([], to: "$JS.API.STREAM.DELETE.\(name)")
                    try? connection.flush()
                    return [change]
                }, connection)
        }
        guard case .unanswered = attempt, let record = sent.value.first else {
            Issue.record("somebody has answered for what nobody took: \(attempt)")
            return
        }
        withExtendedLifetime(subscription) {}
        try await step { _, connection in
            let stream = try connection.stream(name, subject: subject)
            try stream.createIfAbsent(replicas: 1)
            _ = try stream.append(record, behind: 0)
        }
    }

    /// Tries a step until NATS answers.
    private func step<Result: Sendable>(
        _ body: @escaping @Sendable (LogKeeper, NATSConnection) throws -> Result
    ) async throws -> Result {
        try await before(.eventDeadline) { [client] in
            while true {
                do {
                    return try await client.call(body)
                } catch is NATSError {
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
        }
    }

    @Test(
        "comes to what it has come to, also where another step has found it",
        arguments: ["follow", "attempt"])
    func settled(by finder: String) async throws {
        let change = try invite()
        try await sendUnanswered(change)
        try await step { keeper, connection in
            if finder == "follow" { return try keeper.follow(connection) }
            _ = try keeper.attempt(2, { _ in [] }, connection)
        }
        #expect(marks.value == [1])
        let again = try await step { keeper, connection in
            try keeper.attempt(1, { _ in [change] }, connection)
        }
        guard case .made(let outcomes) = again else {
            Issue.record("what is in the log was not found: \(again)")
            return
        }
        #expect(outcomes == [.made])
        #expect(marks.value == [1])
        try await publisher.close()
    }

    @Test("is looked at again, and frozen, where another machine has another log as long as this one's")
    func fork() async throws {
        let machine = try PolicyHome(of: home.portal).machine(at: server)
        try await machine.start()
        _ = try await machine.policy.make([invite()])
        #expect(machine.policy.mark.index == 1)
        let seal = try ClusterSeal(ClusterKeys(portal: home.portal))
        let (name, subject) = (seal.logName, seal.logSubject)
        try machine.connection.publish([], to: "$JS.API.STREAM.DELETE.\(name)")
        try machine.connection.flush()
        try await step { _, connection in
            let stream = try connection.stream(name, subject: subject)
            try stream.createIfAbsent(replicas: 1)
            _ = try stream.append([1, 2, 3], behind: 0)
        }
        machine.policy.heard(PolicyMark(index: 1, hash: FixedBytes()))
        try await machine.stands { $0.isFrozen }
        try await machine.end()
        try await publisher.close()
    }

    @Test("is looked at again where another machine doubts it while it is being read")
    func doubted() async throws {
        let change = try invite()
        _ = try await client.submit(for: .eventDeadline) { _ in [change] }
        let doubting = Watched<LogKeeper?>(nil)
        let second = try LogKeeper(
            Membership(PolicyHome(of: home.portal).keyring()).log,
            ClusterSeal(ClusterKeys(portal: home.portal))
        ) { _ in doubting.value?.doubt() }
        doubting.update { $0 = second }
        let seal = try ClusterSeal(ClusterKeys(portal: home.portal))
        let (name, subject) = (seal.logName, seal.logSubject)
        try await step { _, connection in
            try second.begin(connection, replicas: 1)
            try connection.publish([], to: "$JS.API.STREAM.DELETE.\(name)")
            try connection.flush()
            let stream = try connection.stream(name, subject: subject)
            try stream.createIfAbsent(replicas: 1)
            _ = try stream.append([1, 2, 3], behind: 0)
            #expect(throws: ClusterPolicyFailure.self) { try second.follow(connection) }
        }
        try await publisher.close()
    }

    @Test("holds up nobody once it is given up, also where there is no connection")
    func abandoned() async throws {
        let (first, second) = (try invite(), try invite())
        let (server, isLost) = (server, isLost)
        await #expect(throws: ClusterPolicyFailure.self) {
            try await client.submit(for: .milliseconds(1)) { _ in
                server.signal(SIGKILL)
                isLost.update { $0 = true }
                return [first]
            }
        }
        server.kill()
        try await server.start()
        isLost.update { $0 = false }
        #expect(try await client.submit(for: .eventDeadline) { _ in [second] } == [.made])
        try await publisher.close()
    }
}
