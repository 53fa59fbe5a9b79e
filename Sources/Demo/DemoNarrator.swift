internal import Node
internal import Synchronization

/// Tells in plain words what the demo does, and knows which step it is at.
package final class DemoNarrator: Sendable {
    /// A step that is under way or over.
    struct Step {
        let number: Int
        let title: String
        /// Whose log tells most where the step fails.
        let role: DemoProcess.Role?
        let start: ContinuousClock.Instant
        var duration: Duration?
    }

    private let output: (@Sendable (String) throws -> Void)?
    private let steps = Mutex([Step]())

    /// Lines go to `output`; without one it keeps them to itself.
    package init(to output: (@Sendable (String) throws -> Void)?) { self.output = output }

    /// The step that is under way, or the last one.
    var step: Step? { steps.withLock { $0.last } }

    /// The steps that are over: their titles and how long they took.
    var finished: [(title: String, duration: Duration)] {
        steps.withLock { $0.compactMap { step in step.duration.map { (step.title, $0) } } }
    }

    /// Says a line.
    package func say(_ line: String) throws { try output?(line) }

    /// Does a step: says what it is and why it matters, and ticks it off with what `body` returns.
    func step(
        _ title: String, _ reason: String, watching role: DemoProcess.Role? = nil,
        _ body: () async throws -> String
    ) async throws {
        let number = steps.withLock { steps in
            steps.append(Step(number: steps.count + 1, title: title, role: role, start: .now))
            return steps.count
        }
        try say("\n\(number). \(title)")
        try say("   \(reason)")
        let outcome = try await body()
        let duration = steps.withLock { steps in
            let duration = ContinuousClock.now - steps[number - 1].start
            steps[number - 1].duration = duration
            return duration
        }
        try say("   ✓ \(outcome) (\(Self.seconds(duration)))")
    }

    /// Adds a detail to the step.
    func detail(_ name: String, _ value: String) throws {
        try say("     " + name.padded(to: 10) + value)
    }

    static func seconds(_ duration: Duration) -> String {
        (duration / .seconds(1)).text(decimals: 2) + " s"
    }
}
