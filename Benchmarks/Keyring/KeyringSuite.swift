internal import Blinding
internal import Foundation
internal import Histogram
internal import Keyring
internal import Multiserver
internal import TypedSodium

/// How fast blinded addresses are resolved and invites redeemed, by the number of friends.
struct KeyringSuite: Suite {
    /// Each friend is found at so many portals.
    static let portalCount = 3
    /// Pairs of a friend and a portal.
    private static let pairCounts = [3_000, 30_000, 1_000_000]
    /// A process has to look at everybody for an address that hides its target; above so many pairs a node that
    /// keeps an index is the right tool.
    private static let processPairLimit = 30_000

    let summary = """
        keyring: addresses resolved in a node, whose index is in memory, and by a process of its own; an index \
        built; invites redeemed; by the number of (friend, portal) pairs, 3 portals each
        """

    func run(_ plan: Plan) async throws -> Findings {
        var findings = Findings()
        let rounds = plan.rounds(or: 5)
        let turn = plan.turn(ofSeconds: 0.5, rounds: rounds)
        var (built, resolved, asked, redeemed): ([Row], [Row], [Row], [Row]) = ([], [], [], [])
        for pairCount in Self.pairCounts {
            let world = try await KeyringWorld(plan.stage, friendCount: pairCount / Self.portalCount)
            defer { world.remove() }
            let size = "\(world.friendCount * Self.portalCount) pairs"
            let (index, build) = try world.buildIndex()
            built.append(build.row("index of \(size)"))
            for form in AddressForm.allCases {
                let score = try resolve(form, in: world, index, rounds: rounds, turn: turn)
                resolved.append(score.row("\(form.rawValue), \(size)", group: "resolved in a node"))
            }
            redeemed.append(try world.redeem(for: turn * rounds).row("beside \(size)", group: "redeemed"))
            guard pairCount <= Self.processPairLimit else { continue }
            for form in AddressForm.allCases {
                let times = try await resolveInProcesses(form, world, count: rounds)
                asked.append(
                    Row(
                        name: "\(form.rawValue), \(size)", figures: [Figure("time", "ms", of: times)],
                        group: "cway resolve"))
            }
        }
        findings.rows = resolved + asked + built + redeemed
        findings.notes.append("every redeem waits until it is on the disk: its time is the disk's")
        findings.notes.append("cway resolve: from the process's start to its end, without an index")
        return findings
    }

    private func resolve(
        _ form: AddressForm, in world: KeyringWorld, _ index: AddressIndex, rounds: Int, turn: Duration
    ) throws -> TimeScore {
        // Other friends each time, as in a node: their slots are in no cache.
        let addresses = try world.addresses(form, count: 4096).map(opaque)
        var score = TimeScore(unit: "ns", nanoseconds: 1)
        let clock = ContinuousClock()
        for _ in 0..<rounds {
            let end = clock.now + turn
            score.beginRound()
            repeat {
                for address in addresses {
                    var resolution: Resolution?
                    let time = clock.measure { resolution = index.resolve(address) }
                    guard resolution != nil else {
                        throw Stage.Failure(description: "not resolved: \(address)")
                    }
                    score.record(time)
                }
            } while clock.now < end
        }
        return score
    }

    private func resolveInProcesses(
        _ form: AddressForm, _ world: KeyringWorld, count: Int
    ) async throws -> [Double] {
        var times: [Double] = []
        for address in try world.addresses(form, count: count) {
            let time = try await ContinuousClock().measure { try await world.resolveInProcess(address) }
            times.append(time / .milliseconds(1))
        }
        return times
    }
}

/// The forms of an address that does not name its portal.
enum AddressForm: String, CaseIterable {
    case hmac1, circle1, sealed
}

/// How long one thing took each time.
struct TimeScore {
    private let unit: String
    private let unitNanoseconds: Double
    private var all = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    private var rounds: [Histogram<UInt64>] = []

    /// Tells times in a unit of so many nanoseconds.
    init(unit: String, nanoseconds: Double) {
        self.unit = unit
        unitNanoseconds = nanoseconds
    }

    mutating func beginRound() { rounds.append(Histogram(numberOfSignificantValueDigits: .three)) }

    mutating func record(_ time: Duration) {
        all.record(time.wholeNanoseconds)
        rounds[rounds.count - 1].record(time.wholeNanoseconds)
    }

    func row(_ name: String, group: String) -> Row {
        let medians = rounds.map { Double($0.valueAtPercentile(50)) / unitNanoseconds }
        return Row(
            name: name,
            figures: [
                Figure("time", unit, of: medians),
                Figure("p99", unit, Double(all.valueAtPercentile(99)) / unitNanoseconds),
            ], group: group)
    }
}
