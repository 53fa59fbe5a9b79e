internal import FoundationEssentials
internal import Glibc
internal import Multiserver
internal import NIOCore
internal import Node
internal import TypedSodium
internal import Watching

/// The demo's steps with one portal on three machines, in the order in which they are told.
struct ClusterScript: Sendable {
    /// So soon after a machine's end everybody has to be reachable again.
    private static let reachTime = Duration.seconds(10)
    /// How long a machine may take to know the others and be known by them.
    private static let joiningTime = Duration.seconds(20)
    /// How often a friend comes again until it is at another machine than the owner.
    private static let visitLimit = 30

    let stage: DemoStage
    let narrator: DemoNarrator
    let site: DemoSite
    let data: DemoBytes
    let group: any EventLoopGroup
    /// The program of NATS.
    let server: String
    let showProgress: @Sendable (Int?) -> Void

    /// What the steps have found out so far.
    private struct Findings {
        var machines: [DemoMachine] = []
        var owner: DemoProcess?
        var friend: DemoProcess?
        /// At which machines they are, by their ports.
        var ownerPort = 0
        var friendPort = 0
        /// The friend's local port that leads to the owner's web service.
        var port = 0

        /// All addresses of the portal in one line.
        var address: String { machines.map(\.address).joined(separator: ";") }
    }

    /// Plays all steps.
    ///
    /// - Throws: ``CommandFailure`` at the first that does not hold.
    func play() async throws -> ClusterSummary {
        var (findings, summary, transferred) = (Findings(), ClusterSummary(), DemoSummary())
        try await makeIdentities()
        let engine = try await startEngine()
        try await startMachines(engine, &findings)
        try await startOwner(&findings)
        try await startFriend(&findings)
        let measuring = DemoMeasuring(
            narrator: narrator, data: data, port: findings.port, group: group, showProgress: showProgress)
        try await measuring.transfer(&transferred)
        summary.take(transferred)
        try await killMachine(&findings, &summary)
        try await killServer(findings, &summary)
        try await bringBack(engine, &findings, &summary)
        try await endInOrder()
        summary.steps = narrator.finished.map { .init(title: $0.title, seconds: $0.duration / .seconds(1)) }
        return summary
    }

    private func makeIdentities() async throws {
        try await narrator.step(
            "One key for three machines", "They are one portal: who knows the key knows all."
        ) {
            let portal = try stage.makeIdentity(of: .machineA)
            for machine in [DemoProcess.Role.machineB, .machineC] {
                try stage.copyIdentity(of: .machineA, to: machine)
            }
            try narrator.detail("portal", portal.id)
            for role in [DemoProcess.Role.owner, .friend] {
                try narrator.detail("\(role)", try stage.makeIdentity(of: role).id)
            }
            return "the portal's key on each machine, two keys of people"
        }
    }

    private func startEngine() async throws -> DemoEngine {
        let engine = try await DemoEngine(server: server, stage: stage, group: group)
        try await narrator.step(
            "Three NATS servers", "The machines talk over them; who may do what lasts in their log.",
            watching: .natsA
        ) {
            for role in DemoProcess.Role.servers { try engine.start(role) }
            try await engine.isReady()
            try narrator.detail("servers", engine.addresses)
            return "they stand, and agree"
        }
        return engine
    }

    private func startMachines(_ engine: DemoEngine, _ findings: inout Findings) async throws {
        try await narrator.step(
            "Three machines, one portal",
            "A machine keeps its own connections in memory, and asks the others.",
            watching: .machineA
        ) {
            let ports = try await FreePorts.take(3, on: group)
            for (role, port) in zip(DemoProcess.Role.machines, ports) {
                findings.machines.append(try DemoMachine(role, linkPort: port, engine, stage))
            }
            for index in findings.machines.indices { try await findings.machines[index].isListening() }
            for machine in findings.machines {
                try narrator.detail("\(machine.role)", machine.address)
            }
            try await knowEachOther(findings.machines)
            return "each knows the other two"
        }
    }

    private func startOwner(_ findings: inout Findings) async throws {
        try await narrator.step(
            "An owner's node", "It has the address of all, and is at one of them.", watching: .owner
        ) {
            _ = try await stage.run(.owner, ["portals", "add", findings.address])
            let code = try await stage.run(.owner, ["invite", "create", "--service", "web"])
            guard let code = code.first else { throw CommandFailure(.unexpected, "no invite was printed") }
            stage.handOver(String(code), to: .friend)
            let owner = try stage.launch(.owner, ["serve", "--service", "web=127.0.0.1:\(site.port)"])
            _ = try await owner.firstLine()
            findings.owner = owner
            findings.ownerPort = try port(of: owner, among: findings.machines) ?? 0
            return "announced" + place(of: findings.ownerPort, in: findings)
        }
    }

    private func startFriend(_ findings: inout Findings) async throws {
        try await narrator.step(
            "A friend at another machine", "Its call finds the owner's machine, and goes over a link there.",
            watching: .friend
        ) {
            let code = try stage.handedOver(to: .friend)
            _ = try await stage.run(.friend, ["join", code, "--name", "home"])
            for _ in 0..<Self.visitLimit {
                let friend = try stage.launch(.friend, ["connect", "home", "web", "--listen", "127.0.0.1:0"])
                findings.port = Int(try NetAddress(hostAndPort: try await friend.firstLine()).port)
                findings.friend = friend
                // Where the system does not tell, it is as likely another machine as not.
                guard let port = try port(of: friend, among: findings.machines) else { break }
                findings.friendPort = port
                if port != findings.ownerPort { break }
                for friend in stage.release(.friend) { try await end(friend) }
            }
            let isKnown = findings.friendPort != 0 && findings.ownerPort != 0
            guard !isKnown || findings.friendPort != findings.ownerPort else {
                throw CommandFailure(.unexpected, "the friend was at the owner's machine each time")
            }
            try narrator.detail("GET", "http://127.0.0.1:\(findings.port)/")
            let page = try await page(at: findings.port)
            guard page.contains(DemoSite.sentence) else {
                throw CommandFailure(.verificationFailed, "another page came than was sent")
            }
            return "the page came" + place(of: findings.friendPort, in: findings)
        }
    }

    private func killMachine(_ findings: inout Findings, _ summary: inout ClusterSummary) async throws {
        try await narrator.step(
            "The owner's machine dies", "No goodbye: its power fails. Owner and friend have to find another.",
            watching: .friend
        ) {
            let index = findings.machines.firstIndex { $0.port == findings.ownerPort } ?? 0
            let role = findings.machines[index].role
            for machine in stage.release(role) { machine.signal(SIGKILL) }
            findings.machines[index].isAlive = false
            summary.machineSeconds = try await reach(findings.port) / .seconds(1)
            return "\(role) killed; the page came again after \(summary.machineSeconds.text(decimals: 2)) s"
        }
    }

    private func killServer(_ findings: Findings, _ summary: inout ClusterSummary) async throws {
        try await narrator.step(
            "A NATS server dies too", "Two of three are enough; and a fresh call has to succeed.",
            watching: .friend
        ) {
            for server in stage.release(.natsA) { server.signal(SIGTERM) }
            let start = ContinuousClock.now
            _ = try await reach(findings.port)
            try await call()
            summary.serverSeconds = (.now - start) / .seconds(1)
            return "natsA killed; a page and a fresh call after \(summary.serverSeconds.text(decimals: 2)) s"
        }
    }

    private func bringBack(
        _ engine: DemoEngine, _ findings: inout Findings, _ summary: inout ClusterSummary
    ) async throws {
        try await narrator.step(
            "Both come back", "By themselves: nobody is told, and nobody has to do anything.",
            watching: .machineA
        ) {
            try engine.start(.natsA)
            for index in findings.machines.indices where !findings.machines[index].isAlive {
                let former = findings.machines[index]
                var machine = try DemoMachine(
                    former.role, port: former.port, linkPort: former.linkPort, engine, stage)
                try await machine.isListening()
                findings.machines[index] = machine
            }
            try await knowEachOther(findings.machines)
            _ = try await reach(findings.port)
            try await call()
            summary.isWhole = true
            return "three machines know each other again, and the owner is reachable"
        }
    }

    private func endInOrder() async throws {
        try await narrator.step("Clean-up", "People first, then the machines, NATS last.") {
            let processes = stage.release()
            let (servers, others) = (
                processes.filter { DemoProcess.Role.servers.contains($0.role) },
                processes.filter { !DemoProcess.Role.servers.contains($0.role) }
            )
            let machines = others.filter { DemoProcess.Role.machines.contains($0.role) }
            for person in others.reversed() where !machines.contains(where: { $0 === person }) {
                try await end(person)
            }
            // Each lets the others' people go on for a while, so all at once.
            for machine in machines { machine.signal(SIGTERM) }
            for machine in machines { try await end(machine) }
            for server in servers {
                server.signal(SIGTERM)
                _ = try await server.ended()
            }
            return "\(processes.count) processes ended"
        }
    }

    // MARK: Parts of steps

    private func end(_ process: DemoProcess) async throws {
        process.signal(SIGTERM)
        let ending = try await process.ended()
        guard ending == .exited(0) else {
            throw CommandFailure(.unexpected, "the \(process.role) \(ending) when it was to end in order")
        }
    }

    /// Waits until each machine counts the others and has a link to each.
    private func knowEachOther(_ machines: [DemoMachine]) async throws {
        let deadline = ContinuousClock.now + Self.joiningTime
        for machine in machines {
            while try await linkedCount(of: machine) != machines.count - 1 {
                guard ContinuousClock.now < deadline else {
                    throw CommandFailure(
                        .unexpected,
                        "\(machine.role) does not know the other machines after \(Self.joiningTime)")
                }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    private func linkedCount(of machine: DemoMachine) async throws -> Int {
        do {
            let report = try await stage.run(machine.role, ["portal", "cluster", "status", "--json"])
            let json = Data(report.joined(separator: "\n").utf8)
            let reports = try JSONDecoder().decode([ClusterReport].self, from: json)
            return reports.flatMap(\.machines).count { $0.standing == "live" && $0.isLinked }
        } catch is CommandFailure {
            // It does not serve yet.
            return 0
        } catch {
            throw CommandFailure(.unexpected, "the status of the cluster is not as expected: \(error)")
        }
    }

    private func page(at port: Int) async throws -> String {
        try await DemoVisitor.visit(port: port, on: group) { visitor in
            var page = ByteBuffer()
            _ = try await visitor.fetch("/") { page.writeImmutableBuffer($0) }
            return String(buffer: page)
        }
    }

    /// Asks for the page until it comes; how long that took.
    private func reach(_ port: Int) async throws -> Duration {
        let start = ContinuousClock.now
        while true {
            do {
                guard try await page(at: port).contains(DemoSite.sentence) else {
                    throw CommandFailure(.verificationFailed, "another page came than was sent")
                }
                return .now - start
            } catch {
                guard ContinuousClock.now - start < Self.reachTime else {
                    throw CommandFailure(
                        .connectionLost,
                        "not reachable again within \(Self.reachTime): \(ErrorWords.text(of: error))")
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// A command of its own dials, finds the owner and asks.
    private func call() async throws {
        _ = try await stage.run(.friend, ["call", "home", "service.list"])
    }

    /// The port of the machine to which a process has a connection; `nil` where the system does not tell.
    private func port(of process: DemoProcess, among machines: [DemoMachine]) throws -> Int? {
        guard let ports = ProcessSockets.remotePorts(of: process.identifier) else { return nil }
        return machines.map(\.port).first(where: ports.contains)
    }

    private func place(of port: Int, in findings: Findings) -> String {
        findings.machines.first { $0.port == port }.map { ", at \($0.role)" } ?? ""
    }
}
