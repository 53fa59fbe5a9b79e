internal import ArgumentParser
internal import Foundation
internal import Glibc
internal import Multiserver
internal import Node
internal import PeerSupport
internal import Transport

/// Thousands of endpoints in one process, which all dial a portal at one word: the other side of `hostile`'s storm.
struct FleetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet", abstract: "Dials a portal as many endpoints at once.", shouldDisplay: false)

    @Option(help: "The portal's address.")
    var portal: String

    @Option(help: "How many endpoints.")
    var count: Int

    @Option(help: "The address of the first one, 127.0.0.0 and so many; the others' follow.")
    var first: Int

    /// Behind the portal and the honest pair, which are to be measured and share the cores with this.
    private static let niceness: CInt = 10

    func run() async throws {
        ProcessDescriptors.raiseLimit()
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        guard case .peer(let peer) = try Address(portal) else {
            throw ValidationError("--portal is the address of a portal.")
        }
        let fleet = try Fleet(of: count, from: first, to: peer)
        try say("ready")
        guard readLine() != nil else { return }
        let news = await fleet.comeBack()
        try say(String(decoding: JSONEncoder().encode(news), as: UTF8.self))
        // Nobody writes more to the standard input; it ends with the benchmark.
        while readLine() != nil {}
    }

    private func say(_ line: String) throws {
        try FileHandle.standardOutput.write(contentsOf: Foundation.Data((line + "\n").utf8))
    }
}

/// What became of a fleet.
struct FleetNews: Codable, Sendable {
    /// How long each took until it was announced, in seconds, in no order.
    var times: [Double] = []
    /// How often they have dialled in all.
    var tryCount = 0
    /// How many gave up, or were cut off after they had been announced.
    var lostCount = 0
    /// What the fleet's process has used of the processor meanwhile, in seconds.
    var cpuSeconds = 0.0

    /// Both together.
    static func + (one: FleetNews, other: FleetNews) -> FleetNews {
        FleetNews(
            times: one.times + other.times, tryCount: one.tryCount + other.tryCount,
            lostCount: one.lostCount + other.lostCount, cpuSeconds: one.cpuSeconds + other.cpuSeconds)
    }
}
