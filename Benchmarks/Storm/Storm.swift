internal import Foundation
internal import Histogram
internal import Multiserver
internal import PeerSupport

/// All endpoints of a portal come back at once, as after its restart, beside an honest pair.
enum Storm {
    static let name = "10,000 endpoints back"
    /// How many of them there are.
    private static let endpointCount = 10_000
    /// The processes that they are in: more than one is busy with so many connections.
    private static let fleetCount = 2
    /// Where the addresses of the loopback network begin that nobody else uses.
    private static let firstAddress = 4096
    /// How long they may take; what is not back then never will be.
    private static let patience = Duration.seconds(120)
    /// The pair says something so often, in nanoseconds, so that it leaves the others the processor.
    private static let interval: UInt64 = 5_000_000

    /// The row, and whether all came back.
    static func measure(_ plan: Plan) async throws -> (row: Row, check: Check) {
        let service = try LoopbackSocket.listening()
        let cway = try await CwayStage(plan.stage, servicePort: try service.port)
        defer { cway.end() }
        let client = try await cway.makeClient()
        defer { plan.stage.end([client.child]) }
        let way = Way(name: "cway", entry: client.entry, service: service, roles: [])
        let pingPong = try PingPong(along: way)
        let fleets = try await launch(plan.stage, cway.portalAddress)
        defer { plan.stage.end(fleets) }
        var quiet = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        try pingPong.run(for: .seconds(2), expecting: interval, pause: interval, into: &quiet)

        let watch = MemoryWatch(cway.portal)
        let cpuSeconds = Self.cpuSeconds(of: cway.portal)
        let start = ContinuousClock.now
        for fleet in fleets { try fleet.say("go") }
        var during = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        while !fleets.allSatisfy({ $0.lineCount > 1 }), ContinuousClock.now - start < patience {
            try pingPong.run(for: .milliseconds(250), expecting: interval, pause: interval, into: &during)
        }
        let spent = Self.cpuSeconds(of: cway.portal) - cpuSeconds
        let peak = watch.peakByteCount
        watch.stop()
        var news = FleetNews()
        for fleet in fleets {
            let line = try await fleet.line(1)
            news = try news + JSONDecoder().decode(FleetNews.self, from: Foundation.Data(line.utf8))
        }
        return (
            row(news, cpuSeconds: spent, held: peak - watch.firstByteCount, quiet: quiet, during: during),
            Check(
                name: "every endpoint comes back and stays", isPassed: news.lostCount == 0,
                found: "\(news.times.count) of \(endpointCount), \(news.lostCount) lost")
        )
    }

    private static func launch(_ stage: Stage, _ portal: String) async throws -> [Child] {
        let count = endpointCount / fleetCount
        let program = try Stage.ownProgram()
        var fleets: [Child] = []
        for index in 0..<fleetCount {
            let first = firstAddress + index * count
            fleets.append(
                try stage.launch(
                    "fleet", program,
                    ["fleet", "--portal", portal, "--count", "\(count)", "--first", "\(first)"]))
        }
        for fleet in fleets { _ = try await fleet.firstLine() }
        return fleets
    }

    private static func cpuSeconds(of child: Child) -> Double {
        ProcessTable().usage(of: [child.id], withMemory: false).cpuSeconds
    }

    private static func row(
        _ news: FleetNews, cpuSeconds: Double, held: Int, quiet: Histogram<UInt64>, during: Histogram<UInt64>
    ) -> Row {
        func milliseconds(_ times: Histogram<UInt64>, _ percentile: Double) -> Double {
            Double(times.valueAtPercentile(percentile)) / 1e6
        }
        return Row(
            name: name,
            figures: [
                Figure("held", "MiB", Double(held) / 1_048_576),
                Figure("connections", "", Double(news.times.count)),
                Figure("p50 before", "ms", milliseconds(quiet, 50)),
                Figure("during", "ms", milliseconds(during, 50)),
                Figure("p99 before", "ms", milliseconds(quiet, 99)),
                Figure("p99 during", "ms", milliseconds(during, 99)),
                Figure("half back", "s", news.times.median),
                Figure("all back", "s", news.times.max() ?? .nan),
                Figure("tries", "", Double(news.tryCount)),
                Figure("portal's CPU", "s", cpuSeconds),
                Figure("a handshake's", "ms", cpuSeconds * 1000 / Double(max(1, news.times.count))),
                Figure("fleet's CPU", "s", news.cpuSeconds),
            ], group: "portal")
    }
}
