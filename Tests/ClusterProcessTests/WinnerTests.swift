import Glibc
import PeerSupport
import Testing
import Watching

extension ClusterProcesses {
    @Suite("An invite for one")
    struct WinnerTests {
        private static let guestCount = isLong ? 200 : 24

        @Test("admits one of many who come to three machines at once, of which one is killed meanwhile")
        func oneWinner() async throws {
            try await ClusterStage.run { stage in
                let codes = try await stage.invite(uses: 1, label: "guest")
                let guests = try (0..<Self.guestCount).map { number in
                    try stage.cway(
                        home: "guest-\(number)",
                        ["portals", "add", codes[number % stage.places.count]])
                }
                // As soon as it is in the log, whoever knows of it.
                try await before(.eventDeadline) {
                    while guests.allSatisfy({ $0.ending == nil }) {
                        try await Task.sleep(for: .milliseconds(5))
                    }
                }
                stage.machine(2)?.signal(SIGKILL)
                var admittedCount = 0
                for guest in guests where try await guest.end() == .exit(0) { admittedCount += 1 }
                #expect(admittedCount <= 1)
                let index = try await stage.report(of: 0).policy?.index ?? 0
                try stage.startMachine(2)
                try await stage.isReady(2)
                var members: Set<String> = []
                for machine in stage.places.indices {
                    // Nobody falls back.
                    try await stage.report(of: machine) { $0.policy?.index ?? 0 >= index }
                    let known = try await stage.memberIDs(of: machine)
                    #expect(known.count == 1, "machine \(machine): \(known)")
                    members.formUnion(known)
                }
                #expect(members.count == 1, "\(members)")
            }
        }
    }
}
