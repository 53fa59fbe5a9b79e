package import ArgumentParser
internal import FoundationEssentials
internal import Node
internal import Tunnel
internal import TypedSodium

/// `cway speedtest`: how fast a target is, and whether bytes arrive as they were sent.
package struct SpeedTestCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    package static let configuration = CommandConfiguration(
        commandName: "speedtest",
        abstract: "Measure the way to a target and back, and check every byte.",
        discussion: """
            Sends bytes that look random through the target's echo, and compares each that comes back with the one \
            that was sent; the hash is that of all. Payload is counted once, though it takes the way there and the way \
            back. Round trips are measured before that, 36 bytes at a time, for 3 s at most. Where nothing comes back \
            for 10 s the test fails, and says who is silent: the echo, the target or the portal.

            EXAMPLES
              cway speedtest anna
              cway speedtest tunnel:@PORTAL.ed25519:@TARGET.ed25519~shs:TARGET --portal net:portal.example:8008~shs:PORTAL
              cway speedtest anna --size 256 --json | jq .megabytesPerSecond
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var dial: DialOptions
    @OptionGroup private var chosen: ChosenInstanceOptions

    @Argument(help: DialOptions.targetHelp)
    private var target: String

    @Option(name: .long, help: ArgumentHelp("How much to send, in units of 2²⁰ bytes.", valueName: "MiB"))
    private var size = 64

    @Flag(name: .long, help: "Print JSON.")
    private var json = false

    /// Made by ArgumentParser.
    package init() {}

    /// Refuses sizes that make no sense.
    package func validate() throws {
        guard (1...Self.sizeLimit).contains(size) else {
            throw ValidationError("--size must be from 1 to \(Self.sizeLimit).")
        }
    }

    /// A tebibyte: more is a mistake.
    private static let sizeLimit = 1 << 20
    /// Of what the bar shows.
    private static let steps = 1000

    /// Measures, and prints.
    package func run() async throws {
        let dialler = try await dial.dialler(to: target, instance: chosen.instance, options)
        let byteCount = size << 20
        let report = try await Interruption.run { eventLoop in
            try await dialler.withConnection(on: eventLoop) { connection in
                let bar = ProgressBar(total: Self.steps)
                defer { bar.clear() }
                return try await SpeedTest(byteCount: byteCount).run(on: connection) {
                    bar.show(Int($0 * Double(Self.steps)))
                }
            }
        }
        try CommandEnvironment.current.print(json ? try Self.json(report) : Self.words(report), isJSON: json)
    }

    private static func words(_ report: SpeedTest.Report) -> String {
        let seconds = report.duration / .seconds(1)
        let trips = [0.5, 0.99].map { report.roundTripMicroseconds(at: $0).text(decimals: 0) }
        return """
            \(report.byteCount >> 20) MiB there and back in \(seconds.text(decimals: 2)) s: \
            \(report.megabytesPerSecond.text(decimals: 1)) MB/s
            round trip: \(trips[0]) µs (p50), \(trips[1]) µs (p99) of \(report.roundTrips.count)
            verified: SHA-256 \(Hexadecimal.text(of: report.hash.array))
            """
    }

    private static func json(_ report: SpeedTest.Report) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(Result(report)), as: UTF8.self)
    }

    /// The shape of `--json`.
    private struct Result: Encodable {
        struct RoundTrip: Encodable {
            let p50: Double
            let p99: Double
        }

        let bytes: Int
        let seconds: Double
        let megabytesPerSecond: Double
        let roundTripMicroseconds: RoundTrip
        let sha256: String
        let verified = true

        init(_ report: SpeedTest.Report) {
            bytes = report.byteCount
            seconds = report.duration / .seconds(1)
            megabytesPerSecond = report.megabytesPerSecond
            roundTripMicroseconds = RoundTrip(
                p50: report.roundTripMicroseconds(at: 0.5), p99: report.roundTripMicroseconds(at: 0.99))
            sha256 = Hexadecimal.text(of: report.hash.array)
        }
    }
}
