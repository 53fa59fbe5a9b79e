internal import Foundation
internal import Glibc
internal import Synchronization

/// Bytes that are the same wherever they are made: a piece of random ones again and again, from a place on.
package struct PatternBytes: Sendable {
    /// A prime number: no buffer on the way is as long.
    private static let pieceByteCount = 1_000_003
    private static let piece: [UInt8] = {
        var state: UInt64 = 7
        return (0..<pieceByteCount).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }()

    private let start: Int

    /// The bytes of a seed.
    package init(seed: UInt64) { start = Int(seed % UInt64(Self.pieceByteCount)) }

    /// As many of them as stand together in memory, at most `limit`, behind those before `offset`.
    package func slice(at offset: Int, limit: Int) -> ArraySlice<UInt8> {
        Self.piece[((start + offset) % Self.pieceByteCount)...].prefix(limit)
    }

    /// Whether the first bytes of a buffer are these.
    package func matches(_ buffer: [UInt8], count: Int, at offset: Int) -> Bool {
        var checked = 0
        while checked < count {
            let slice = slice(at: offset + checked, limit: count - checked)
            // C's function: a debug build's own comparison takes many times as long.
            let isEqual = unsafe slice.withUnsafeBytes { expected in
                unsafe buffer.withUnsafeBytes { found in
                    guard let expected = expected.baseAddress, let found = found.baseAddress else {
                        return true
                    }
                    return unsafe memcmp(expected, found + checked, slice.count) == 0
                }
            }
            guard isEqual else { return false }
            checked += slice.count
        }
        return true
    }
}

/// What one transfer came to.
package struct PatternOutcome: Sendable {
    /// How many bytes were to come, and came.
    package var expectedByteCount: Int
    package var receivedByteCount = 0
    /// Whether those that came are the first of those that were to come.
    package var isPrefix = true
    /// Whether the other side has said that it is through; otherwise the connection broke.
    package var hasEndedClean = false
    /// What broke it.
    package var error = ""
    /// From the first call on.
    package var time = Duration.zero

    /// So many bytes are to come.
    package init(expectedByteCount: Int) { self.expectedByteCount = expectedByteCount }

    /// Whether all came.
    package var isWhole: Bool { isPrefix && hasEndedClean && receivedByteCount == expectedByteCount }
}

/// A service that sends what is asked for, and asks for nothing else: each byte of it can be checked.
package final class PatternService: Sendable {
    private static let requestByteCount = 16
    private static let pieceByteCount = 256 << 10
    /// A reader that leaves no room for so long stalls.
    private static let stallTime = Duration.milliseconds(500)
    /// A reader that leaves no room for so long is given up.
    private static let patience = Duration.seconds(10)

    /// How many connections have no room to write, because everything on the way to their readers is full.
    package let stalledCount = Watched(0)
    private let listener: LoopbackSocket
    package let port: UInt16
    private let isOver = Atomic(false)

    /// Listens on a port of the system's choice, and serves from then on.
    package init() throws {
        let listener = try LoopbackSocket.listening(until: .now + .seconds(24 * 3600))
        self.listener = listener
        port = try listener.port
        Thread.detachNewThread { [self] in
            while !isOver.load(ordering: .relaxed), let connection = try? listener.accepted() {
                Thread.detachNewThread { try? self.serve(connection) }
            }
        }
    }

    package func stop() {
        isOver.store(true, ordering: .relaxed)
        listener.cut()
    }

    private func serve(_ connection: LoopbackSocket) throws {
        let request = try connection.read(exactly: Self.requestByteCount)
        let numbers = [request.prefix(8), request.suffix(8)].map { bytes in
            bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        let pattern = PatternBytes(seed: numbers[0])
        var sent = 0
        while sent < Int(numbers[1]) {
            let count = try connection.writeNow(
                pattern.slice(at: sent, limit: min(Self.pieceByteCount, Int(numbers[1]) - sent)))
            sent += count
            if count == 0 { try awaitRoom(on: connection) }
        }
        try connection.endWriting()
        // Until the other side has taken it.
        _ = try connection.read(atMost: 1)
    }

    private func awaitRoom(on connection: LoopbackSocket) throws {
        if try connection.hasRoom(within: Self.stallTime) { return }
        stalledCount.update { $0 += 1 }
        defer { stalledCount.update { $0 -= 1 } }
        guard try connection.hasRoom(within: Self.patience) else { throw LoopbackSocket.Failure.late }
    }

    /// What a client says to get so many bytes of a seed.
    package static func request(seed: UInt64, byteCount: Int) -> [UInt8] {
        [seed, UInt64(byteCount)].flatMap { number in
            (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
        }
    }

    /// Gets so many bytes from a port that leads here, one slice after another; each is shown to `progress`.
    ///
    /// Blocks.
    package static func fetch(
        _ byteCount: Int, seed: UInt64, from port: UInt16, progress: (Int) -> Void = { _ in }
    ) -> PatternOutcome {
        let clock = ContinuousClock()
        let start = clock.now
        var outcome = PatternOutcome(expectedByteCount: byteCount)
        defer { outcome.time = clock.now - start }
        do {
            let socket = try LoopbackSocket.dialling(port)
            try socket.writeAll(request(seed: seed, byteCount: byteCount))
            let pattern = PatternBytes(seed: seed)
            var buffer = [UInt8](repeating: 0, count: pieceByteCount)
            while true {
                let count = try socket.read(into: &buffer)
                guard count > 0 else { break }
                outcome.isPrefix =
                    outcome.isPrefix
                    && outcome.receivedByteCount + count <= byteCount
                    && pattern.matches(buffer, count: count, at: outcome.receivedByteCount)
                outcome.receivedByteCount += count
                progress(outcome.receivedByteCount)
            }
            outcome.hasEndedClean = true
        } catch {
            outcome.error = "\(error)"
        }
        outcome.time = clock.now - start
        return outcome
    }

    /// The same, without blocking the caller's thread.
    package static func fetched(
        _ byteCount: Int, seed: UInt64, from port: UInt16
    ) async -> PatternOutcome {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(returning: fetch(byteCount, seed: seed, from: port))
            }
        }
    }
}
