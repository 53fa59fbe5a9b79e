internal import NIOCore
internal import NIOHTTP1
package import Node
package import TypedSodium

/// The demo's steps that measure: many bytes, and many small requests.
package struct DemoMeasuring: Sendable {
    /// How many small requests are measured, after some that warm up.
    private static let requestCount = 500
    private static let uncounted = 20

    let narrator: DemoNarrator
    let data: DemoBytes
    let port: Int
    let group: any EventLoopGroup
    let showProgress: @Sendable (Int?) -> Void

    private struct Transfer: Sendable {
        var byteCount = 0
        var duration = Duration.zero
        var hash = FixedBytes<32>()
        /// What the site says about it.
        var announcedDigest: String?
    }

    /// Fetches the bytes and compares their hash with the one that the site announces.
    func transfer(_ summary: inout DemoSummary) async throws {
        let byteCount = data.byteCount
        try await narrator.step(
            "\(byteCount >> 20) MiB through the tunnel",
            "Encrypted twice on the way; every byte counts, so the hash is compared.", watching: .friend
        ) {
            // Not in the midst of measuring.
            let expected = try await data.digest
            try narrator.detail("GET", "http://127.0.0.1:\(port)/data")
            let transfer = try await fetch()
            try Self.verify(transfer.hash, announced: transfer.announcedDigest, expected: expected)
            guard transfer.byteCount == byteCount else {
                throw CommandFailure(.verificationFailed, "\(transfer.byteCount) of \(byteCount) bytes came")
            }
            summary.bytes = byteCount
            summary.seconds = transfer.duration / .seconds(1)
            summary.megabytesPerSecond = Double(byteCount) / summary.seconds / 1e6
            summary.sha256 = Hexadecimal.text(of: transfer.hash.array)
            summary.verified = true
            let speed = "\(Int(summary.megabytesPerSecond.rounded())) MB/s"
            try narrator.detail("SHA-256", summary.sha256)
            return "\(speed), and the hash is the sender's"
        }
    }

    /// Compares what came with what was announced on the way, and that with what was sent.
    package static func verify(_ hash: FixedBytes<32>, announced: String?, expected: String)
        throws(CommandFailure)
    {
        guard announced == expected, DemoBytes.digest(of: hash) == expected else {
            throw CommandFailure(.verificationFailed, "other bytes came than were sent: their hashes differ")
        }
    }

    private func fetch() async throws -> Transfer {
        defer { showProgress(nil) }
        return try await DemoVisitor.visit(port: port, on: group) { visitor in
            var transfer = Transfer()
            var hash = LateHash()
            let start = ContinuousClock.now
            let head = try await visitor.fetch("/data") { bytes in
                transfer.byteCount += bytes.readableBytes
                hash.append(bytes)
                showProgress(transfer.byteCount)
            }
            transfer.duration = .now - start
            transfer.hash = hash.finalize()
            transfer.announcedDigest = head.headers.first(name: "repr-digest")
            return transfer
        }
    }

    /// Measures how long a small request takes, one after the other.
    func measureRoundTrips(_ summary: inout DemoSummary) async throws {
        try await narrator.step(
            "Round trips", "\(Self.requestCount) small requests, one after the other, on one connection.",
            watching: .friend
        ) {
            summary.roundTripMicroseconds = .init(try await roundTrips())
            return summary.roundTripMicroseconds.words
        }
    }

    /// How long small requests take, one after the other on one connection.
    func roundTrips() async throws -> [Duration] {
        try await DemoVisitor.visit(port: port, on: group) { visitor in
            var times: [Duration] = []
            for _ in 0..<Self.requestCount + Self.uncounted {
                let start = ContinuousClock.now
                _ = try await visitor.fetch("/ping") { _ in }
                times.append(.now - start)
            }
            return Array(times.dropFirst(Self.uncounted))
        }
    }
}
