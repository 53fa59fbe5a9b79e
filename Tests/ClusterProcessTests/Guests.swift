import ClusterSimulation
import Foundation
import Multiserver
import PeerSupport
import TypedSodium

/// Those who are let in by an invite and those who are kept out, while machines and servers die beside it.
struct Guests {
    /// So many the invite is for: fewer than come.
    private static let uses = 3

    private let population: Population
    /// The invite, as each machine would say it.
    private let codes: [String]
    /// How many were told that they are members; the portal knows each by a key of its own.
    private var admittedCount = 0
    /// Those whose denial was acknowledged.
    private var denied: [Identity] = []
    private var number = 0

    private var stage: ClusterStage { population.stage }

    init(of population: Population) async throws {
        self.population = population
        codes = try await population.stage.invite(uses: Self.uses, label: "guests")
    }

    /// One comes with the invite, at a machine that may be dead.
    mutating func come(at machine: Int) async throws {
        let home = "guest\(number)"
        number += 1
        let guest = try stage.cway(home: home, ["portals", "add", codes[machine]])
        if try await guest.end() == .exit(0) { admittedCount += 1 }
    }

    /// What is to hold in quiet; somebody is denied, who is to be kept out in the next one.
    mutating func check() async throws {
        let first = try await stage.memberIDs(of: 0)
        population.note { [admittedCount] in
            $0.add(admittedCount: max(admittedCount, first.count), uses: Self.uses)
        }
        for index in stage.places.indices {
            let members = try await stage.memberIDs(of: index)
            population.note { [admittedCount] in
                $0.add(members: members, of: index, others: first, atLeast: admittedCount)
            }
            for identity in denied {
                let isAdmitted = isAdmitted(identity, at: index)
                population.note {
                    $0.add(denied: identity.publicKey.id, isAdmitted: isAdmitted, at: index)
                }
            }
        }
        let next = try Identity.random()
        guard isAdmitted(next, at: 0) else {
            return population.note { $0.violate("d", "somebody is kept out who is not denied") }
        }
        _ = try await stage.output(home: "machine0", ["portal", "deny", next.publicKey.id])
        denied.append(next)
    }

    /// Whether a machine lets somebody announce.
    private func isAdmitted(_ identity: Identity, at machine: Int) -> Bool {
        guard let end = try? RawEnd(identity, to: stage.id, at: stage.places[machine].port) else {
            return false
        }
        return (try? end.announce()) != nil
    }
}
