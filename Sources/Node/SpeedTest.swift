internal import MuxRPC
internal import NIOCore
public import Sodium
internal import Transport
public import Tunnel

/// Measures a session: sends bytes through the peer's `echo`, and sees that the same ones come back.
///
/// Payload is counted once, though it crosses the way twice. Round trips are measured before the transfer, while
/// the session is idle.
public struct SpeedTest: Sendable {
    /// What was measured.
    public struct Report: Equatable, Sendable {
        /// How many bytes were sent, and came back.
        public let byteCount: Int
        /// From the first byte sent to the last one back.
        public let duration: Duration
        /// How long a few bytes take there and back, sorted, in nanoseconds.
        public let roundTrips: [Int64]
        /// The hash of what was sent, and of what came back.
        public let hash: FixedBytes<32>

        /// Payload in units of 10⁶ bytes per second.
        public var megabytesPerSecond: Double { Double(byteCount) / (duration / .seconds(1)) / 1e6 }

        /// The round trip, in microseconds, that this share of all did not exceed; 0.99 for the 99th percentile.
        public func roundTripMicroseconds(at share: Double) -> Double {
            guard let last = roundTrips.indices.last else { return 0 }
            let index = Int((Double(roundTrips.count) * share).rounded(.up)) - 1
            return Double(roundTrips[min(max(index, 0), last)]) / 1000
        }
    }

    /// How many bytes to send.
    public var byteCount: Int
    /// How many round trips to measure.
    public var roundTripCount: Int

    /// A test of that many bytes and round trips.
    public init(byteCount: Int = 64 << 20, roundTripCount: Int = 200) {
        precondition(byteCount > 0 && roundTripCount > 0, "there is something to measure")
        self.byteCount = byteCount
        self.roundTripCount = roundTripCount
    }

    /// Measures.
    ///
    /// - Parameters:
    ///   - connection: the session; it stays open.
    ///   - progress: told how many bytes have come back, 200 times at most; called on the event loop.
    /// - Returns: the figures, for bytes that came back unchanged.
    /// - Throws: ``SpeedTestError``.
    public func run(
        on connection: PeerConnection, progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> Report {
        let roundTripCount = roundTripCount
        let roundTrips = try await Self.echo(on: connection) {
            RoundTrips($0, count: roundTripCount, result: $1)
        }
        let bytes = TestBytes(seed: .random(in: 0 ... .max), byteCount: byteCount)
        let transfer = try await Self.echo(on: connection) {
            EchoTransfer($0, sending: bytes, progress: progress, result: $1)
        }
        guard transfer.sentHash == transfer.receivedHash else { throw SpeedTestError.otherBytes }
        return Report(
            byteCount: byteCount, duration: transfer.duration, roundTrips: roundTrips.sorted(),
            hash: transfer.sentHash)
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
}

/// Why a speed test has no result.
public enum SpeedTestError: Error, Equatable, Sendable {
    /// The echo ended in the middle.
    case ended(StreamFailure)
    /// Other bytes came back than were sent.
    case otherBytes
}

extension SpeedTestError: CustomStringConvertible {
    /// The cause and the remedy, for people.
    public var description: String {
        switch self {
        case .ended(.remote(let words)): "the target's echo failed: \(words)"
        case .ended: "the connection broke during the test: try again"
        case .otherBytes: "other bytes came back than were sent: do not rely on this target, and report it"
        }
    }
}
