package import TypedSodium

/// A look-up that is under way on this machine.
package struct LookUpID: Hashable, Comparable, Sendable {
    /// Counts them.
    package let value: UInt64

    package init(_ value: UInt64) { self.value = value }

    /// The earlier one is less.
    package static func < (left: LookUpID, right: LookUpID) -> Bool { left.value < right.value }
}

/// A place where a target may be reached.
package struct Candidate: Hashable, Sendable {
    /// The machine that has it.
    package let machine: MachineID
    /// The key that the announcer has proved there.
    package let key: PublicKey
    /// Since when.
    package let time: HybridTime

    /// A candidate.
    package init(_ machine: MachineID, _ key: PublicKey, since time: HybridTime) {
        self.machine = machine
        self.key = key
        self.time = time
    }

    var stamp: ClaimStamp { ClaimStamp(time, machine) }
}

/// Why a candidate was not reached.
package enum ReachFailure: Equatable, Sendable {
    /// It refused, or is there no more.
    case refused
    /// There is no link to its machine.
    case noLink
}

/// One look-up: what was found, what was tried, and what is still to come.
struct LookUp: Sendable {
    enum State: Equatable {
        /// It waits to be asked about, or for answers.
        case asking
        /// The owner tries a candidate.
        case trying
        /// What was found has failed, and answers may still come.
        case awaiting
    }

    let target: ClusterTarget
    let caller: LookUpCaller
    var state = State.asking
    /// Whether the second and last question is out.
    var hasAskedAgain = false
    /// Whether a candidate was found to which there is no link.
    var hasDeadLink = false

    /// What is not tried yet, the best last.
    private var candidates: [Candidate] = []
    private var known: Set<Candidate> = []

    init(_ target: ClusterTarget, for caller: LookUpCaller) {
        self.target = target
        self.caller = caller
    }

    var hasCandidate: Bool { !candidates.isEmpty }
    /// Whether anything was found so far.
    var wasFound: Bool { !known.isEmpty }

    /// Something was found; whether it was not known.
    mutating func add(_ candidate: Candidate) -> Bool {
        switch target {
        case .nobody: return false
        case .id(let key): guard candidate.key == key else { return false }
        case .token(_, let key): guard key.map({ $0 == candidate.key }) ?? true else { return false }
        }
        guard known.insert(candidate).inserted else { return false }
        let index = candidates.firstIndex { $0.stamp > candidate.stamp } ?? candidates.count
        candidates.insert(candidate, at: index)
        return true
    }

    /// The best that was not tried.
    mutating func next() -> Candidate? { candidates.popLast() }
}
