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

    package internal(set) var lookUps: [LookUp] = []
    package internal(set) var violations: [Violation] = []
    /// Since when nothing goes wrong, and nobody moves.
    package internal(set) var quietSince: NIODeadline
    /// How many `announced elsewhere` reached endpoints.
    package internal(set) var elsewhereCount = 0
    /// The greatest numbers that were seen of what is bounded.
    package internal(set) var greatestLookUpCount = 0
    package internal(set) var greatestOutputCount = 0

    init(at now: NIODeadline) { quietSince = now }

    mutating func violate(_ promise: Character, _ description: String) {
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
