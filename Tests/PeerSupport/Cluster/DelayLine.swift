internal import Foundation
internal import Synchronization

/// A long line in front of a port: what is written at one end arrives at the other one later, in order.
package final class DelayLine: Sendable {
    private static let pieceByteCount = 64 << 10
    /// As much is under way at most, in each direction: what a line of 100 MB/s holds.
    private static let limitByteCount = 8 << 20

    private let listener: LoopbackSocket
    package let port: UInt16
    private let target: UInt16
    private let delay: Duration
    private let ends = Mutex<[LoopbackSocket]>([])

    /// Listens on a port of the system's choice, and passes on to the target.
    package init(to target: UInt16, delay: Duration) throws {
        listener = try LoopbackSocket.listening(until: .now + .seconds(24 * 3600))
        port = try listener.port
        self.target = target
        self.delay = delay
        Thread.detachNewThread { [self] in
            while let near = try? listener.accepted() {
                guard let far = try? LoopbackSocket.dialling(target, until: .now + .seconds(24 * 3600)) else {
                    near.cut()
                    continue
                }
                ends.withLock { $0 += [near, far] }
                pass(from: near, to: far)
                pass(from: far, to: near)
            }
        }
    }

    /// Ends the line, and what passes over it.
    package func stop() {
        listener.cut()
        for end in ends.withLock({ $0 }) { end.cut() }
    }

    private struct Waiting {
        var pieces: [(bytes: ArraySlice<UInt8>, due: ContinuousClock.Instant)] = []
        var byteCount = 0
        var hasEnded = false
    }

    private func pass(from source: LoopbackSocket, to sink: LoopbackSocket) {
        let waiting = Watched(Waiting())
        let gate = NSCondition()
        let delay = delay
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: Self.pieceByteCount)
            while let _ = try? source.wait(toWrite: false), let count = try? source.read(into: &buffer),
                count > 0
            {
                let piece = buffer[..<count]
                gate.lock()
                while waiting.value.byteCount > Self.limitByteCount { gate.wait() }
                waiting.update {
                    $0.pieces.append((piece, .now + delay))
                    $0.byteCount += count
                }
                gate.broadcast()
                gate.unlock()
            }
            gate.lock()
            waiting.update { $0.hasEnded = true }
            gate.broadcast()
            gate.unlock()
        }
        Thread.detachNewThread {
            while true {
                gate.lock()
                while waiting.value.pieces.isEmpty, !waiting.value.hasEnded { gate.wait() }
                let next = waiting.value.pieces.first
                gate.unlock()
                guard let next else { break }
                let left = ContinuousClock.now.duration(to: next.due) / .seconds(1)
                if left > 0 { Thread.sleep(forTimeInterval: left) }
                guard (try? sink.writeAll(Array(next.bytes))) != nil else { break }
                gate.lock()
                waiting.update {
                    $0.pieces.removeFirst()
                    $0.byteCount -= next.bytes.count
                }
                gate.broadcast()
                gate.unlock()
            }
            sink.cut()
            source.cut()
        }
    }
}
