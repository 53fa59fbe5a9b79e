internal import PeerSupport

/// One flow over a long line.
struct WanSuite: Suite {
    let summary = """
        wan: one flow down, over a line of 320 Mbit/s in front of the client, without and with stalls of one \
        round trip for 0.1 % of the packets; / is the row's rate divided by direct TCP's; then 64 bytes there \
        and back over a line of 20 Mbit/s in front of the endpoint
        """

    func run(_ plan: Plan) async throws -> Findings {
        let service = try LoopbackSocket.listening()
        let direct = try await DelayProxy(to: try service.port)
        let cwayService = try LoopbackSocket.listening()
        let cway = try await CwayStage(plan.stage, servicePort: try cwayService.port)
        let cwayLine = try await DelayProxy(to: try cway.portalPort)
        let client = try await cway.makeClient(throughPort: cwayLine.port)
        var lines = [direct, cwayLine]
        var ways = Ways()
        ways.all = [
            Way(name: "direct TCP", entry: direct.port, service: service, roles: []),
            Way(
                name: "cway", entry: client.entry, service: cwayService,
                roles: [.init(name: "client", children: [client.child, cway.portal, cway.endpoint])]),
        ]
        if plan.withPeers {
            await ways.add("OpenSSH") {
                let ssh = try await SSHStage(plan.stage, .chacha20)
                let line = try await DelayProxy(to: ssh.portalPort)
                lines.append(line)
                let client = try await ssh.makeClient(throughPort: line.port)
                return Way(
                    name: "ssh chacha20-poly1305", entry: client.entry, service: ssh.service,
                    roles: [.init(name: "client", children: [client.child, ssh.portal] + ssh.endpoint)])
            }
        } else {
            ways.missing.append(Ways.withoutPeers)
        }

        var findings = Findings(notes: ways.missing)
        do {
            for milliseconds in [20, 50, 100] {
                for stallShare in [0, 0.001] {
                    let line = DelayProxy.Line(delay: .milliseconds(milliseconds / 2), stallShare: stallShare)
                    for proxy in lines { proxy.set(line) }
                    let group = "\(milliseconds) ms round trip" + (stallShare > 0 ? ", 0.1 % stalls" : "")
                    findings.rows += try measure(ways.all, milliseconds, plan, group: group)
                }
            }
        } catch {
            ways.end(on: plan.stage)
            throw error
        }
        ways.end(on: plan.stage)
        for line in lines { await line.end() }
        findings.rows += try await SlowLine.measure(plan)
        return findings
    }

    private func measure(_ ways: [Way], _ milliseconds: Int, _ plan: Plan, group: String) throws -> [Row] {
        let rounds = plan.rounds(or: 2)
        let turn = plan.turn(ofSeconds: 1, rounds: rounds, atLeast: .milliseconds(5 * milliseconds))
        var rates = ways.map { _ in [Double]() }
        for round in 0..<rounds {
            for step in ways.indices {
                let index = (step + round) % ways.count
                // A window that doubles every round trip is full grown after ten.
                let measured = try ways[index].measure(
                    flowCount: 1, .down, warmUp: .milliseconds(200 + 10 * milliseconds), turn: turn)
                rates[index].append(measured.megabytesPerSecond)
            }
        }
        return zip(ways, rates).map { way, rate in
            Row(
                name: way.name,
                figures: [Figure("rate", "MB/s", of: rate), Figure("/", of: rate.divided(by: rates[0]))],
                group: group)
        }
    }
}
