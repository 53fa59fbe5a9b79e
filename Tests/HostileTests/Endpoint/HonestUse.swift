import MuxRPC
import NIOCore
import Synchronization
import Testing
import Transport
import Tunnel
import TypedSodium

extension BesiegedEndpoint {
    /// Opens streams to a service in a session of each hostile friend, or of some of them.
    func open(
        _ count: Int, to service: String, by friends: ArraySlice<Identity>? = nil
    ) async throws -> [Attacker] {
        var attackers: [Attacker] = []
        for (number, friend) in (friends ?? hostile[...]).enumerated() {
            let attacker = try await attacker(from: 60 + number)
            attackers.append(attacker)
            let tunnel = try await attacker.session(with: identity.publicKey, as: friend)
            try await attacker.act { caller in
                for _ in 0..<count {
                    _ = try caller.open("service.open", [["name": .string(service)]], in: tunnel)
                }
            }
        }
        return attackers
    }
}

extension HonestPair {
    /// Has an honest friend carry a megabyte to a service that reads, within two seconds.
    func passMegabyte() async throws {
        let clock = ContinuousClock()
        let began = clock.now
        try await send(1 << 20, to: "sink")
        #expect(clock.now - began < .seconds(2))
    }

    /// Sends bytes and the end to a service, and returns when that has said its end too.
    func send(_ byteCount: Int, to service: String) async throws {
        let loop = client.eventLoop
        let ended = loop.makePromise(of: Void.self)
        try await client.open(.service(service), on: session) { handle in
            let end = Megabyte(handle, byteCount: byteCount, ended: ended)
            // Only behind this call will the end be told what comes of its first bytes.
            loop.assumeIsolated().execute { end.resume() }
            return end
        }
        try await ended.futureResult.get()
    }

    /// Opens a stream to a service that reads, and keeps it; how it ends is noted.
    func hold(_ ended: StreamCounter) async throws {
        try await client.open(.service("sink"), on: session) { HeldEnd($0, ended) }
    }
}

/// How many streams were ended.
final class StreamCounter: Sendable {
    private let reasons = Mutex<[String]>([])
    private let (ends, continuation) = AsyncStream.makeStream(of: String.self)

    func append(_ reason: String) {
        reasons.withLock { $0.append(reason) }
        continuation.yield(reason)
    }

    var all: [String] { reasons.withLock(\.self) }

    /// Waits until one has ended; `nil` where the test is over before.
    func next() async -> String? { await ends.first { _ in true } }
}

/// An end that says and reads nothing, and tells when its stream is over.
private final class HeldEnd: StreamEnd {
    private let handle: StreamHandle
    private let ended: StreamCounter

    init(_ handle: StreamHandle, _ ended: StreamCounter) {
        self.handle = handle
        self.ended = ended
    }

    func receive(_ bytes: ByteBuffer) { handle.drained(bytes.readableBytes) }

    func receiveEnd() {}

    func resume() {}

    func close(_ failure: StreamFailure?) { ended.append(failure.map { "\($0)" } ?? "complete") }
}

/// Sends a buffer, by default a megabyte, and is done when the far side has said that it came.
final class Megabyte: StreamEnd {
    private let handle: StreamHandle
    private let ended: EventLoopPromise<Void>
    private var rest: ByteBuffer
    private var hasEnded = false

    init(_ handle: StreamHandle, byteCount: Int = 1 << 20, ended: EventLoopPromise<Void>) {
        self.handle = handle
        rest = ByteBuffer(repeating: 7, count: byteCount)
        self.ended = ended
    }

    func receive(_ bytes: ByteBuffer) { handle.drained(bytes.readableBytes) }

    func receiveEnd() {}

    func resume() {
        while let piece = rest.readSlice(length: min(16 << 10, rest.readableBytes)), piece.readableBytes > 0 {
            guard handle.send(piece) else { return }
        }
        guard !hasEnded else { return }
        hasEnded = true
        handle.sendEnd()
    }

    func close(_ failure: StreamFailure?) {
        if let failure { ended.fail(failure) } else { ended.succeed() }
    }
}
