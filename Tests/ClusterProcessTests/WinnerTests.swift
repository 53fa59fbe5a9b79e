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
                let admittedCount = try await withThrowingTaskGroup(of: Bool.self) { tasks in
                    for guest in guests {
                        tasks.addTask { try await guest.end(within: .seconds(120)) == .exit(0) }
                    }
                    // As soon as it is in the log, whoever knows of it.
                    let isFirstAdmitted = try await tasks.next() ?? false
                    stage.machine(2)?.signal(SIGKILL)
                    return try await tasks.reduce(isFirstAdmitted ? 1 : 0) { $0 + ($1 ? 1 : 0) }
                }
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
