import Blinding
import Cluster
import Keyring
import NATS
import Node
import PeerSupport
import TestSupport
import Testing
import TypedSodium

@Suite("Cluster: policy that all machines share, with a real NATS", .serialized)
struct SharedPolicyTests {
    private let portal: Identity

    init() throws { portal = try Identity(seed: SecretKey.random()) }

    private func key() throws -> PublicKey { try Identity(seed: SecretKey.random()).publicKey }

    private func makeInvite(on machine: PolicyMachine, uses: Int = 1) async throws -> InviteKey {
        let wanted = try MemberInvites.draft(
            label: "guest", uses: uses, expiry: nil, seed: SecretKey.random(), now: WallClock.seconds())
        #expect(try await machine.policy.make([wanted.change]) == [.made])
        return wanted.key
    }

    /// Three machines that begin at once, one of which has to make the log.
    private func trio(at server: NATSServer) async throws -> (homes: [PolicyHome], machines: [PolicyMachine])
    {
        let homes = try (0..<3).map { _ in try PolicyHome(of: portal) }
        let machines = try homes.map { try $0.machine(at: server) }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for machine in machines {
                let policy = machine.policy
                tasks.addTask { try await policy.start() }
            }
            try await tasks.waitForAll()
        }
        for machine in machines { try await machine.start() }
        return (homes, machines)
    }

    @Test("an invite for one admits one of two hundred, on three machines of which one is ended meanwhile")
    func oneWinner() async throws {
        let server = try await NATSServer(["-js"])
        var (homes, machines) = try await trio(at: server)
        let invite = try await makeInvite(on: machines[1])
        for machine in machines { try await machine.awaits { try !$0.invites.all().isEmpty } }
        let feeds = try (0..<200).map { _ in try key() }
        let redemptions = Watched<[PublicKey: Redemption]>([:])
        await withTaskGroup(of: Void.self) { tasks in
            for (index, feed) in feeds.enumerated() {
                let policy = machines[index % 3].policy
                tasks.addTask {
                    let request = MemberRequest(invite: invite, feed: feed)
                    guard let answer = try? await policy.redeem([request]).first else { return }
                    redemptions.update { $0[feed] = answer }
                }
            }
            // In the midst of it: what it has answered stays answered, and what it has not is in the log or not.
            _ = try? await redemptions.first { $0.isEmpty ? nil : true }
            try? await machines[2].end()
        }
        let answers = redemptions.value
        let winners = answers.filter { $0.value == .admitted(isFresh: true) }.map(\.key)
        #expect(winners.count <= 1)
        #expect(answers.values.allSatisfy { $0 == .admitted(isFresh: true) || $0 == .refused(.usedUp) })
        let reached = machines[2].policy.mark.index
        machines.removeLast()
        machines.append(try await homes[2].nextMachine(at: server))
        #expect(machines[2].policy.mark.index >= reached)
        try await machines[2].start()
        let end = machines[0].policy.mark
        for machine in machines {
            try await machine.awaits { try !$0.all().isEmpty }
            #expect(machine.policy.mark.index >= end.index)
        }
        let members = try machines.map { try $0.membership.all() }
        #expect(members[0].count == 1 && members[1] == members[0] && members[2] == members[0])
        #expect(winners.isEmpty || members[0].map(\.key) == winners)
        for machine in machines { #expect(machine.marks.value == machine.marks.value.sorted()) }
        for machine in machines { try await machine.end() }
        homes = []
    }

    @Test("a log begins with a keyring that says something only by an import, once")
    func importing() async throws {
        let server = try await NATSServer(["-js"])
        let (former, empty, other) = (
            try PolicyHome(of: portal), try PolicyHome(of: portal), try PolicyHome(of: portal)
        )
        let member = try key()
        for home in [former, other] {
            let membership = Membership(try home.keyring())
            try membership.add(member, label: "anna", now: WallClock.seconds())
            try membership.deny(portal.publicKey, now: WallClock.seconds())
        }
        let first = try former.machine(at: server)
        await #expect(throws: ClusterPolicyFailure.noLog) { try await first.policy.start() }
        #expect(try await first.policy.beginFromKeyring() == 1)
        try await first.start()
        let second = try empty.machine(at: server)
        try await second.start()
        #expect(try second.membership.all() == first.membership.all())
        #expect(try second.membership.denied() == first.membership.denied())
        await #expect(throws: ClusterPolicyFailure.logExists) { try await second.policy.beginFromKeyring() }
        await #expect(throws: ClusterPolicyFailure.logExists) { try await first.policy.beginFromKeyring() }
        let third = try other.machine(at: server)
        await #expect(throws: ClusterPolicyFailure.ownPolicy) { try await third.policy.start() }
        _ = try await first.policy.make([.removal(member)])
        try await third.policy.adopt()
        #expect(try third.membership.all().isEmpty && third.policy.status.standing == .current)
        #expect(throws: KeyringError.inCluster) { try third.membership.undeny(portal.publicKey) }
        for machine in [first, second, third] { try await machine.end() }
    }

    @Test("a keyring that may not follow the log is not changed by it, whatever is asked before its start")
    func noFollower() async throws {
        let server = try await NATSServer(["-js"])
        let first = try PolicyHome(of: portal).machine(at: server)
        try await first.start()
        _ = try await first.policy.make([.member(try key(), label: "of the log")])
        let other = try PolicyHome(of: portal)
        let own = try key()
        try Membership(try other.keyring()).add(own, label: "own", now: WallClock.seconds())
        let second = try await other.nextMachine(at: server)
        second.policy.engineChanged(isUp: true)
        await #expect(throws: ClusterPolicyFailure.self) {
            try await second.policy.make([.member(portal.publicKey, label: "of the page")])
        }
        await #expect(throws: ClusterPolicyFailure.ownPolicy) { try await second.start() }
        guard case .urgent = try await second.policy.deny(portal.publicKey) else {
            Issue.record("a keyring that follows no log has written to it")
            return
        }
        for machine in [first, second] { try await machine.end() }
        #expect(try second.membership.all().map(\.key) == [own] && second.policy.mark.index == 0)
        #expect(try first.membership.all().count == 1)
    }

    @Test(
        "a log that is older than what a machine has, another, or gone is not believed, until the right one is back"
    )
    func wrongLogs() async throws {
        let server = try await NATSServer(["-js"])
        let home = try PolicyHome(of: portal)
        do {
            let machine = try home.machine(at: server)
            try await machine.start()
            for _ in 0..<5 { _ = try await machine.policy.make([.member(try key(), label: "")]) }
            #expect(machine.policy.mark.index == 5)
            try await machine.end()
        }
        let name = try ClusterSeal(ClusterKeys(portal: portal)).logName
        let subject = try ClusterSeal(ClusterKeys(portal: portal)).logSubject
        let (older, another, wiped) = (
            try await NATSServer(["-js"]), try await NATSServer(["-js"]), try await NATSServer(["-js"])
        )
        do {
            let source = try PolicyHome(of: portal).machine(at: server)
            let target = try PolicyHome(of: portal).machine(at: older)
            let records = try source.connection.stream(name, subject: subject).read(from: 1)
            let copy = try target.connection.stream(name, subject: subject)
            try await before(.eventDeadline) {
                while (try? copy.createIfAbsent(replicas: 1)) == nil {
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
            for number in 0..<3 { _ = try copy.append(records[number], behind: UInt64(number)) }
            let stranger = try PolicyHome(of: portal).machine(at: another)
            try await stranger.start()
            for _ in 0..<6 { _ = try await stranger.policy.make([.denial(try key())]) }
            for machine in [source, target, stranger] { try await machine.end() }
        }
        for wrong in [older, another, wiped] {
            let machine = try await home.nextMachine(at: wrong)
            try await machine.start()
            #expect(machine.policy.status.standing.isFrozen)
            await #expect(throws: ClusterPolicyFailure.self) {
                try await machine.policy.make([.denial(portal.publicKey)])
            }
            // Denials count all the same.
            let denied = try key()
            guard case .urgent = try await machine.policy.deny(denied) else {
                Issue.record("a log that is not believed was written to")
                return
            }
            #expect(try machine.membership.denied().map(\.key).contains(denied))
            #expect(machine.policy.mark.index == 5)
            try await machine.end()
        }
        let machine = try await home.nextMachine(at: server)
        try await machine.start()
        try await machine.awaits { try $0.log.urgentDenials().isEmpty }
        #expect(try machine.membership.denied().count == 3 && machine.policy.status.standing == .current)
        try await machine.end()
    }

    @Test(
        "a denial counts at once while NATS is away, and everywhere a link reaches; later the log has it, and an allowance stays"
    )
    func urgentDenials() async throws {
        let server = try await NATSServer(["-js"])
        let (homes, machines) = try await trio(at: server)
        let (denied, invite) = (try key(), try await makeInvite(on: machines[0]))
        for machine in machines { try await machine.awaits { try !$0.invites.all().isEmpty } }
        let mark = machines[0].policy.mark.index
        server.kill()
        guard case .urgent = try await machines[0].policy.deny(denied) else {
            Issue.record("the log has what it cannot have")
            return
        }
        #expect(try machines[0].membership.denied().map(\.key) == [denied])
        let said = try await machines[0].denials.first { $0.isEmpty ? nil : $0 }
        #expect(said.map(\.key) == [denied] && said[0].index == mark)
        machines[1].policy.heard(said)
        try await machines[1].awaits { try $0.denied().map(\.key) == [denied] }
        await #expect(throws: ClusterPolicyFailure.self) {
            try await machines[0].policy.make([.allowance(denied)], for: .seconds(1))
        }
        // Who is denied comes by nothing, and what needs the log is refused in words.
        let request = MemberRequest(invite: invite, feed: denied)
        #expect(
            try machines[1].membership.log.foresee([request], now: WallClock.seconds()) == [
                .refused(.removed)
            ])
        try await server.start()
        for machine in machines {
            try await machine.awaits {
                try $0.denied().map(\.key) == [denied] && $0.log.urgentDenials().isEmpty
            }
            _ = try await machine.denials.first { $0.isEmpty ? true : nil }
        }
        #expect(try await machines[2].policy.make([.allowance(denied)]) == [.made])
        for machine in machines { try await machine.awaits { try $0.denied().isEmpty } }
        // What is said again of before the allowance is not believed.
        machines[1].policy.heard(said)
        try await Task.sleep(for: .milliseconds(300))
        #expect(try machines[1].membership.denied().isEmpty)
        for machine in machines { try await machine.end() }
        withExtendedLifetime(homes) {}
    }

    @Test("machines that change at once all get into the log, and end up alike")
    func contention() async throws {
        let server = try await NATSServer(["-js"])
        let (homes, machines) = try await trio(at: server)
        let keys = try (0..<30).map { _ in try key() }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for (index, key) in keys.enumerated() {
                let policy = machines[index % 3].policy
                tasks.addTask { _ = try await policy.make([.member(key, label: "\(index)")]) }
            }
            try await tasks.waitForAll()
        }
        for machine in machines {
            try await machine.awaits { try $0.all().count == 30 }
            #expect(machine.policy.mark.index == 30)
        }
        #expect(Set(machines.map(\.policy.mark.hash)).count == 1)
        for machine in machines { try await machine.end() }
        withExtendedLifetime(homes) {}
    }

    @Test("three servers keep three copies, and one that is killed changes nothing")
    func threeServers() async throws {
        let ports = try (0..<3).map { _ in try LoopbackSocket.freePort() }
        let routes = ports.map { "nats://127.0.0.1:\($0)" }.joined(separator: ",")
        // Each waits for none of the others, so they are started side by side.
        var servers: [NATSServer] = []
        for (index, port) in ports.enumerated() {
            servers.append(
                try await NATSServer([
                    "-js", "-n", "s\(index)", "--cluster_name", "cw", "--cluster", "nats://127.0.0.1:\(port)",
                    "--routes", routes,
                ]))
        }
        let homes = try (0..<2).map { _ in try PolicyHome(of: portal) }
        let machines = try homes.map {
            try PolicyMachine($0.keyring(), of: portal, at: servers.map(\.address))
        }
        for machine in machines { try await machine.start() }
        let invite = try await makeInvite(on: machines[0], uses: 5)
        servers[1].kill()
        var admitted = 0
        for index in 0..<8 {
            let request = MemberRequest(invite: invite, feed: try key())
            if try await machines[index % 2].policy.redeem([request]) == [.admitted(isFresh: true)] {
                admitted += 1
            }
        }
        #expect(admitted == 5)
        for machine in machines { try await machine.awaits { try $0.all().count == 5 } }
        for machine in machines { try await machine.end() }
    }
}
