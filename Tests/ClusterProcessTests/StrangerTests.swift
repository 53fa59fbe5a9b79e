import PeerSupport
import Testing

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
                _ = try callers.slowest(of: Self.callCount, to: target)
                let calm = try callers.slowest(of: Self.callCount, to: target)
                let strangers = Strangers(Self.strangerCount, on: stage, at: 0)
                try await strangers.count.first { $0 > 500 ? () : nil }
                let before = strangers.count.value
                let loud = try callers.slowest(of: Self.callCount, to: target)
                let asked = strangers.count.value - before
                strangers.stop()
                print("a member's call, p99: \(calm), and \(loud) beside \(asked) questions of strangers")
                #expect(asked > Self.strangerCount, "they have asked meanwhile")
                #expect(loud <= calm + Self.margin)
            }
        }
    }
}
