package import NIOCore

/// What happened in a run, as far as it is checked afterwards.
package struct History: Sendable {
    /// A look-up, from its beginning to its end.
    package struct LookUp: Sendable {
        package let endpoint: Int
        package let asker: Int
        package let beganAt: NIODeadline
        package let endedAt: NIODeadline
        package let result: Result
        /// Where the endpoint had been announced for a second, at a healthy machine.
        package let expected: Int?

        package var time: TimeAmount { endedAt - beganAt }
    }

    /// What came of a look-up.
    package enum Result: Equatable, Sendable {
        case reached(Int)
        case missed
        case unreachable
        /// It had no place.
        case refused
    }

    /// A finding that breaks a promise.
    package struct Violation: Equatable, Sendable, CustomStringConvertible {
        /// The letter of the promise.
        package let promise: Character
        package let description: String
    }

    /// Bytes that one side sent to another, as far as they came.
    package struct Transfer: Sendable {
        /// What it was, for messages.
        package let name: String
        package let sentByteCount: Int
        package let receivedByteCount: Int
        /// Whether those that came are the first of those that were sent.
        package let isPrefix: Bool
        /// Whether it ended as if all had come.
        package let hasEndedClean: Bool

        /// A transfer.
        package init(
            _ name: String, sent: Int, received: Int, isPrefix: Bool, hasEndedClean: Bool
        ) {
            self.name = name
            sentByteCount = sent
            receivedByteCount = received
            self.isPrefix = isPrefix
            self.hasEndedClean = hasEndedClean
        }
    }

    package internal(set) var lookUps: [LookUp] = []
    /// The transfers that were recorded.
    package private(set) var transferCount = 0
    /// The greatest index of the policy's log that each machine has shown.
    private var policyIndices: [Int: UInt64] = [:]
    package internal(set) var violations: [Violation] = []
    /// Since when nothing goes wrong, and nobody moves.
    package internal(set) var quietSince: NIODeadline
    /// How many `announced elsewhere` reached endpoints.
    package internal(set) var elsewhereCount = 0
    /// The greatest numbers that were seen of what is bounded.
    package internal(set) var greatestLookUpCount = 0
    package internal(set) var greatestOutputCount = 0

    /// Nothing has happened yet.
    package init(at now: NIODeadline) { quietSince = now }

    // MARK: What processes show

    /// (f): bytes are a prefix, and a clean end comes only when all were sent.
    package mutating func add(_ transfer: Transfer) {
        transferCount += 1
        if !transfer.isPrefix { violate("f", "\(transfer.name): other bytes came than were sent") }
        if transfer.hasEndedClean, transfer.receivedByteCount != transfer.sentByteCount {
            violate(
                "f",
                "\(transfer.name): \(transfer.receivedByteCount) of \(transfer.sentByteCount) bytes, and a clean end"
            )
        }
    }

    /// (a): a call while all has been well for long enough finds its endpoint.
    package mutating func add(call name: String, succeeded: Bool, mustSucceed: Bool, found: String) {
        if mustSucceed, !succeeded { violate("a", "\(name): \(found)") }
    }

    /// (b): somebody who is announced stands at one machine.
    package mutating func add(_ name: String, standsAt machines: [Int]) {
        if machines.count != 1 { violate("b", "\(name) stands at the machines \(machines)") }
    }

    /// (c): no more than an invite has uses are told that they are members.
    package mutating func add(admittedCount: Int, uses: Int) {
        if admittedCount > uses {
            violate("c", "an invite for \(uses) has admitted \(admittedCount)")
        }
    }

    /// (c): whoever was told to be a member is one, and the same are everywhere.
    package mutating func add(
        members: Set<String>, of machine: Int, others: Set<String>, atLeast admittedCount: Int
    ) {
        if members != others || members.count < admittedCount {
            violate(
                "c",
                "machine \(machine) knows \(members.count) members, another \(others.count), and "
                    + "\(admittedCount) were admitted")
        }
    }

    /// (d): nobody is admitted long enough after its denial was acknowledged.
    package mutating func add(denied: String, isAdmitted: Bool, at machine: Int) {
        if isAdmitted { violate("d", "\(denied) is denied, and machine \(machine) admits it") }
    }

    /// (i): what is bounded stays within its bound.
    package mutating func add(_ queue: String, of machine: Int, held: Double, limit: Double) {
        if held > limit { violate("i", "machine \(machine), \(queue): \(held) of \(limit)") }
    }

    /// (e): the index of the policy never falls.
    package mutating func add(policyIndex: UInt64, of machine: Int) {
        if let former = policyIndices[machine], former > policyIndex {
            violate("e", "machine \(machine) had policy \(former), and has \(policyIndex)")
        }
        policyIndices[machine] = policyIndex
    }

    /// (h): a list is what is true.
    package mutating func add(list: Set<String>, of machine: Int, truth: Set<String>) {
        guard list != truth else { return }
        violate(
            "h",
            "machine \(machine) lists \(list.subtracting(truth).count) too many, lacks "
                + "\(truth.subtracting(list).count)")
    }

    /// (g): an identity with one process hears that it is announced elsewhere.
    package mutating func addElsewhere(_ name: String) {
        elsewhereCount += 1
        violate("g", "\(name), which has one process, heard announced elsewhere")
    }

    // MARK: Findings

    package mutating func violate(_ promise: Character, _ description: String) {
        if violations.count < 100 {
            violations.append(Violation(promise: promise, description: "(\(promise)) \(description)"))
        }
    }

    /// The time within which so large a part of the look-ups that reached something did so.
    package func time(ofPart part: Double) -> TimeAmount? {
        let times = lookUps.filter { if case .reached = $0.result { true } else { false } }.map(\.time)
            .sorted()
        guard !times.isEmpty else { return nil }
        return times[min(times.count - 1, Int(Double(times.count) * part))]
    }
}
