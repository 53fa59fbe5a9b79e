internal import Connection
internal import MuxRPC
package import NIOCore
internal import Transport
package import Tunnel
package import TypedSodium

/// Measures a session: sends bytes through the peer's `echo`, and sees that the same ones come back.
///
/// Payload is counted once, though it crosses the way twice. Round trips are measured before the transfer, while
/// the session is idle. Every byte is compared as it comes, and an echo that falls silent ends the test.
package struct SpeedTest: Sendable {
    /// What was measured.
    package struct Report: Equatable, Sendable {
        /// How many bytes were sent, and came back.
        package let byteCount: Int
        /// From the first byte sent to the last one back.
        package let duration: Duration
        /// How long a few bytes take there and back, sorted, in nanoseconds.
        package let roundTrips: [Int64]
        /// The hash of what was sent, and came back.
        package let hash: FixedBytes<32>

        /// Payload in units of 10⁶ bytes per second.
        package var megabytesPerSecond: Double { Double(byteCount) / (duration / .seconds(1)) / 1e6 }

        /// The round trip, in microseconds, that this share of all did not exceed; 0.99 for the 99th percentile.
        package func roundTripMicroseconds(at share: Double) -> Double {
            guard let last = roundTrips.indices.last else { return 0 }
            let index = Int((Double(roundTrips.count) * share).rounded(.up)) - 1
            return Double(roundTrips[min(max(index, 0), last)]) / 1000
        }
    }

    /// Which part of the progress the round trips are: they take 3 s at most.
    private static let roundTripShare = 0.05

    /// How many bytes to send.
    package var byteCount: Int
    /// How many round trips to measure, unless they take long.
    package var roundTripCount: Int
    /// For how long round trips are measured, unless one takes longer.
    package var roundTripTime = RoundTrips.time
    /// After how much silence of the echo the test is over.
    package var silenceTime = EchoWatch.time
    /// How long the answer to a question is awaited that says who has fallen silent.
    package var questionTime = Duration.seconds(3)

    /// A test of that many bytes and round trips.
    package init(byteCount: Int = 64 << 20, roundTripCount: Int = 200) {
        precondition(byteCount > 0 && roundTripCount > 0, "there is something to measure")
        self.byteCount = byteCount
        self.roundTripCount = roundTripCount
    }

    /// Measures.
    ///
    /// - Parameters:
    ///   - connection: the session; it stays open.
    ///   - progress: told which share of all is done, some hundred times at most; called on the event loop.
    /// - Returns: the figures, for bytes that came back unchanged.
    /// - Throws: ``SpeedTestError``.
    package func run(
        on connection: PeerConnection, progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> Report {
        do {
            return try await measure(connection, progress)
        } catch SpeedTestError.silent(.echo) {
            throw SpeedTestError.silent(await silentHop(of: connection))
        }
    }

    private func measure(
        _ connection: PeerConnection, _ progress: @escaping @Sendable (Double) -> Void
    ) async throws -> Report {
        let (share, silenceTime) = (Self.roundTripShare, silenceTime)
        let loop = connection.link.eventLoop
        let (count, time) = (roundTripCount, roundTripTime)
        let roundTrips = try await Self.echo(on: connection) { handle, result in
            let watch = EchoWatch(on: loop, for: silenceTime)
            return RoundTrips(handle, count: count, for: time, watch: watch, result: result) {
                progress(share * $0)
            }
        }
        let bytes = TestBytes(seed: .random(in: 0 ... .max), byteCount: byteCount)
        let duration = try await Self.echo(on: connection) { handle, result in
            let watch = EchoWatch(on: loop, for: silenceTime)
            return EchoTransfer(handle, sending: bytes, watch: watch, result: result) {
                progress(share + (1 - share) * $0)
            }
        }
        return Report(
            byteCount: byteCount, duration: duration, roundTrips: roundTrips.sorted(), hash: bytes.hash())
    }

    /// Opens an echo and waits for what its end makes of it.
    private static func echo<Value: Sendable>(
        on connection: PeerConnection,
        makeEnd: @escaping @Sendable (StreamHandle, EventLoopPromise<Value>) -> any StreamEnd
    ) async throws -> Value {
        let loop = connection.link.eventLoop
        let promise = loop.makePromise(of: Value.self)
        do {
            try await connection.link.open(.echo, on: connection.session) { handle in
                let end = makeEnd(handle, promise)
                // Only behind this call will the end be told what comes of its first bytes.
                loop.assumeIsolated().execute { end.resume() }
                return end
            }
        } catch {
            promise.fail(SpeedTestError.ended(.truncated))
        }
        return try await promise.futureResult.get()
    }

    /// Who does not answer any more, of those behind whom the echo has fallen silent.
    private func silentHop(of connection: PeerConnection) async -> SpeedTestError.Hop {
        if await answers(connection, on: connection.session) { return .echo }
        guard connection.portal != nil else { return .target }
        return await answers(connection, on: .outer) ? .target : .portal
    }

    /// Whether a question is answered, in whatever words.
    private func answers(_ connection: PeerConnection, on session: SessionID) async -> Bool {
        let (outcomes, continuation) = AsyncStream.makeStream(of: Bool.self)
        Task {
            let reply = try? await connection.link.call(Method.ping.name, on: session)
            continuation.yield(reply != nil)
        }
        let limit = Task { [questionTime] in
            try await Task.sleep(for: questionTime)
            continuation.yield(false)
        }
        defer { limit.cancel() }
        for await outcome in outcomes { return outcome }
        return false
    }
}

/// Why a speed test has no result.
package enum SpeedTestError: Error, Equatable, Sendable {
    /// Who has fallen silent.
    package enum Hop: Equatable, Sendable {
        /// The echo alone: its node still answers.
        case echo
        /// The target's node; the portal still answers.
        case target
        /// The portal, and with it everybody behind.
        case portal
    }

    /// The echo ended in the middle.
    case ended(StreamFailure)
    /// Nothing came back for so long that nothing more is awaited.
    case silent(Hop)
    /// Other bytes came back than were sent.
    case otherBytes
    /// More came back than was sent.
    case tooMuch
}

extension SpeedTestError: CustomStringConvertible {
    /// The cause and the remedy, for people.
    package var description: String {
        switch self {
        case .ended(.remote(let words)): "the target's echo failed: \(words)"
        case .ended: "the connection broke during the test: try again"
        case .silent(.echo):
            "the target's echo fell silent for 10 s, while its node still answers: ask its owner to look at it"
        case .silent(.target):
            "the target fell silent for 10 s, while the way to it stands: try again, or ask its owner to look at it"
        case .silent(.portal):
            "the portal fell silent for 10 s: look at your own network, or ask the portal's operator"
        case .otherBytes: "other bytes came back than were sent: do not rely on this target, and report it"
        case .tooMuch: "more bytes came back than were sent: do not rely on this target, and report it"
        }
    }
}
