import Foundation
import Multiserver
import MuxRPC
import PeerSupport
import Synchronization
import Testing
import TypedSodium

extension ClusterProcesses {
    @Suite("Strangers at a machine")
    struct StrangerTests {
        private static let strangerCount = 4
        private static let callCount = 400
        /// So much longer a member's calls may take.
        private static let margin = Duration.milliseconds(50)

        @Test("that ask for random tokens cost a member's call 50 ms at most, 99 times of 100")
        func tokens() async throws {
            try await ClusterStage.run { stage in
                let target = try await AnsweringEnd.start(on: stage, at: 1)
                try await stage.areListed([target])
                let callers = try await stage.members(8).map { member in
                    try RawEnd(member, to: stage.id, at: stage.places[0].port)
                }
                _ = try Self.slowest(callers, to: target)
                let calm = try Self.slowest(callers, to: target)
                let strangers = Strangers(Self.strangerCount, on: stage, at: 0)
                try await strangers.count.first { $0 > 500 ? () : nil }
                let before = strangers.count.value
                let loud = try Self.slowest(callers, to: target)
                let asked = strangers.count.value - before
                strangers.stop()
                print("a member's call, p99: \(calm), and \(loud) beside \(asked) questions of strangers")
                #expect(asked > Self.strangerCount, "they have asked meanwhile")
                #expect(loud <= calm + Self.margin)
            }
        }

        /// How long 99 of 100 calls take at most, each with a look-up at other machines and an answer of the target.
        private static func slowest(_ callers: [RawEnd], to target: String) throws -> Duration {
            var times: [Duration] = []
            for number in 0..<callCount {
                // In turn, so that none waits for its own bound.
                times.append(try callers[number % callers.count].answered(by: target))
            }
            return times.sorted()[callCount * 99 / 100]
        }
    }
}

/// An endpoint of the test itself, which answers each call with a byte.
private enum AnsweringEnd {
    /// Announces it, and returns its id; it ends with its machine.
    static func start(on stage: ClusterStage, at machine: Int) async throws -> String {
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
private final class Strangers: Sendable {
    private static let width = 8

    /// How many questions were answered.
    let count = Watched(0)
    private let isOver = Atomic(false)

    init(_ strangerCount: Int, on stage: ClusterStage, at machine: Int) {
        let (id, port) = (stage.id, stage.places[machine].port)
        for number in 0..<strangerCount {
            Thread.detachNewThread { [self] in
                try? ask(RawEnd(.random(), to: id, at: port, from: UInt16(256 + number)))
            }
        }
    }

    func stop() { isOver.store(true, ordering: .relaxed) }

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
