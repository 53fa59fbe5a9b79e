import ClusterSimulation
import Foundation
import Glibc
import PeerSupport
import Testing

extension ClusterProcesses {
    @Suite("Machine by machine")
    struct UpgradeTests {
        @Test(
            "an upgrade under calls: tunnels that finish while a machine drains survive, and nobody is lost")
        func rolling() async throws {
            try await ClusterStage.run { stage in
                var random = SimulationRandom(seed: 5)
                let population = try await Population.start(6, on: stage, &random)
                await population.expectAll(byteCount: 10_000, seed: 1)
                for machine in stage.places.indices {
                    let begun = Watched<Set<Int>>([])
                    // They take some two seconds, of the five that a machine waits.
                    let transfers = population.clients.map { client in
                        Task {
                            await PacedReader.received(
                                from: client.port, bytesPerSecond: 1_000_000, for: .seconds(2),
                                seed: UInt64(client.number)
                            ) { _ in begun.update { $0.insert(client.number) } }
                        }
                    }
                    try await begun.first { $0.count == population.clients.count ? () : nil }
                    stage.machine(machine)?.signal(SIGTERM)
                    for (client, transfer) in zip(population.clients, transfers) {
                        let outcome = await transfer.value
                        #expect(outcome.isWhole, "machine \(machine), client \(client.number): \(outcome)")
                    }
                    #expect(try await stage.machine(machine)?.end(within: .seconds(15)) == .exit(0))
                    await population.expectAll(byteCount: 10_000, seed: 2)
                    try stage.startMachine(machine)
                    try await stage.isReady(machine)
                }
                #expect(population.check().violations == [])
            }
        }
    }
}
