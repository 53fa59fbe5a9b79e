internal import Multiserver
internal import NIOCore
internal import NIOPosix

/// The demo's step about a friend who takes all that there is and reads none of it, beside an honest one.
struct DemoFlood: Sendable {
    /// How many downloads the flooder begins; a friend may have 256 streams.
    private static let downloadCount = 16

    let stage: DemoStage
    let narrator: DemoNarrator
    let group: any EventLoopGroup

    /// Floods, measures the honest friend's round trips meanwhile, and ends the flood.
    func play(_ measuring: DemoMeasuring, _ summary: inout DemoSummary) async throws {
        try await narrator.step(
            "A friend who floods",
            "Another friend begins \(Self.downloadCount) downloads and reads none; round trips once more.",
            watching: .owner
        ) {
            let code = try stage.handedOver(to: .flooder)
            _ = try await stage.run(.flooder, ["join", code, "--name", "home"])
            let flooder = try stage.launch(.flooder, ["connect", "home", "web", "--listen", "127.0.0.1:0"])
            let port = Int(try NetAddress(hostAndPort: try await flooder.firstLine()).port)
            let downloads = try await begin(port: port)
            summary.besideFloodMicroseconds = .init(try await measuring.roundTrips())
            for download in downloads { download.close(promise: nil) }
            return summary.besideFloodMicroseconds.words
        }
    }

    /// Connections on which everything is asked for and nothing is read.
    private func begin(port: Int) async throws -> [any Channel] {
        var channels: [any Channel] = []
        for _ in 0..<Self.downloadCount {
            let channel = try await ClientBootstrap(group: group)
                .channelOption(.autoRead, value: false)
                .connect(host: "127.0.0.1", port: port).get()
            let request = "GET /data HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
            try await channel.writeAndFlush(ByteBuffer(string: request))
            channels.append(channel)
        }
        return channels
    }
}
