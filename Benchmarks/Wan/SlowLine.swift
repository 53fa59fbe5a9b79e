internal import Histogram
internal import NIOCore
internal import PeerSupport

/// 64 bytes there and back over a slow line in front of the endpoint, alone and beside another client's bulk flow.
enum SlowLine {
    /// 20 Mbit/s, with a router that holds 50 ms of it.
    private static let line = DelayProxy.Line(
        delay: .milliseconds(2), bytesPerSecond: 2_500_000, limitByteCount: 125_000)
    /// The least that Linux lets a socket hold: what stands there is no part of the line.
    private static let socketByteCount: ChannelOptions.Types.SocketOption.Value = 4096

    static func measure(_ plan: Plan) async throws -> [Row] {
        let service = try LoopbackSocket.listening()
        var lines: [DelayProxy] = []
        let cway = try await CwayStage(plan.stage, servicePort: try service.port) { port in
            let proxy = try await DelayProxy(to: port, socketByteCount: socketByteCount)
            proxy.set(line)
            lines.append(proxy)
            return proxy.port
        }
        let (client, second) = (try await cway.makeClient(), try await cway.makeClient())
        let way = Way(
            name: "cway", entry: client.entry, secondEntry: second.entry, service: service,
            roles: [.init(name: "all", children: [client.child, second.child, cway.portal, cway.endpoint])])
        var rows: [Row] = []
        for direction in [nil, .up, .down] as [Direction?] {
            rows.append(try measure(way, beside: direction, plan))
        }
        way.end(on: plan.stage)
        for line in lines { await line.end() }
        return rows
    }

    private static func measure(_ way: Way, beside direction: Direction?, _ plan: Plan) throws -> Row {
        let rounds = plan.rounds(or: 2)
        let turn = plan.turn(ofSeconds: 2, rounds: rounds, atLeast: .seconds(1))
        var (medians, tails, rates) = ([Double](), [Double](), [Double]())
        for _ in 0..<rounds {
            let bulk = try direction.map { try Transfer(along: way.throughSecondClient, flowCount: 1, $0) }
            defer { bulk?.cut() }
            let pingPong = try PingPong(along: way)
            _ = try pingPong.run(for: .milliseconds(500))
            let byteCount = bulk?.receivedByteCount ?? 0
            let times = try pingPong.run(for: turn)
            medians.append(Double(times.valueAtPercentile(50)) / 1e6)
            tails.append(Double(times.valueAtPercentile(99)) / 1e6)
            rates.append(Double((bulk?.receivedByteCount ?? 0) - byteCount) / turn.inSeconds / 1e6)
        }
        var figures = [Figure("p50", "ms", of: medians), Figure("p99", "ms", of: tails)]
        if direction != nil { figures.append(Figure("bulk", "MB/s", of: rates)) }
        let load = direction.map { ", beside a bulk flow \($0.rawValue)" } ?? ""
        return Row(
            name: "64 bytes" + load, figures: figures, group: "20 Mbit/s in front of the endpoint")
    }
}
