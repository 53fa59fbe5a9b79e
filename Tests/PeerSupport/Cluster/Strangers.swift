internal import Foundation
internal import Multiserver
internal import Synchronization
internal import TypedSodium

/// An endpoint of the test itself, which answers each call with a byte.
package enum AnsweringEnd {
    /// Announces it, and returns its id; it ends with its machine.
    package static func start(on stage: ClusterStage, at machine: Int) async throws -> String {
        let identity = try Identity.random()
        let isAnnounced = Watched<Result<Void, any Error>?>(nil)
        let (id, port) = (stage.id, stage.places[machine].port)
        Thread.detachNewThread {
            let result = Result {
                let end = try RawEnd(identity, to: id, at: port)
                try end.announce()
                return end
            }
            isAnnounced.update { $0 = result.map { _ in } }
            while let end = try? result.get(), (try? end.answerCall()) != nil {}
        }
        try await isAnnounced.first { $0 }.get()
        return identity.publicKey.id
    }
}

/// Peers that nobody knows, each from an address of its own, that ask for tokens of chance as fast as they are answered.
package final class Strangers: Sendable {
    private static let width = 8

    /// How many questions were answered.
    package let count = Watched(0)
    private let isOver = Atomic(false)

    package init(_ strangerCount: Int, on stage: ClusterStage, at machine: Int) {
        let (id, port) = (stage.id, stage.places[machine].port)
        for number in 0..<strangerCount {
            Thread.detachNewThread { [self] in
                try? ask(RawEnd(.random(), to: id, at: port, from: UInt16(256 + number)))
            }
        }
    }

    package func stop() { isOver.store(true, ordering: .relaxed) }

    private func ask(_ end: RawEnd) throws {
        while !isOver.load(ordering: .relaxed) {
            let tokens = try (0..<Self.width).map { _ in
                Foundation.Data(try Identity.random().publicKey.bytes.array).base64EncodedString() + ".token1"
            }
            try end.misses(tokens)
            count.update { $0 += tokens.count }
        }
    }
}

extension [RawEnd] {
    /// How long 99 of 100 calls take at most, each with a look-up at other machines and an answer of the target.
    package func slowest(of callCount: Int, to target: String) throws -> Duration {
        var times: [Duration] = []
        for number in 0..<callCount {
            // In turn, so that none waits for its own bound.
            times.append(try self[number % count].answered(by: target))
        }
        return times.sorted()[callCount * 99 / 100]
    }
}
