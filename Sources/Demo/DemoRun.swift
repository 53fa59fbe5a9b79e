package import NIOCore
internal import Node

/// Plays the demo's script while somebody watches the clock and the processes.
package struct DemoRun: Sendable {
    /// How long a failed script waits for the news that a process has died, which explains more.
    private static let newsTime = Duration.milliseconds(200)

    let stage: DemoStage
    let narrator: DemoNarrator
    let byteCount: Int
    let timeLimit: Duration
    /// Shows how many bytes have come; `nil` when that is over.
    let showProgress: @Sendable (Int?) -> Void

    package init(
        stage: DemoStage, narrator: DemoNarrator, byteCount: Int, timeLimit: Duration,
        showProgress: @escaping @Sendable (Int?) -> Void
    ) {
        self.stage = stage
        self.narrator = narrator
        self.byteCount = byteCount
        self.timeLimit = timeLimit
        self.showProgress = showProgress
    }

    /// Plays what one portal does.
    ///
    /// - Throws: ``CommandFailure`` with the step that did not hold, `CancellationError` when cancelled.
    package func perform(on group: any EventLoopGroup) async throws -> DemoSummary {
        try await perform(on: group) { site, data in
            let script = DemoScript(
                stage: stage, narrator: narrator, site: site, data: data, group: group,
                showProgress: showProgress)
            return try await script.play()
        }
    }

    /// Plays what one portal on three machines does; `server` is the program of NATS.
    ///
    /// - Throws: as ``perform(on:)``.
    package func performCluster(
        on group: any EventLoopGroup, server: String
    ) async throws -> ClusterSummary {
        try await perform(on: group) { site, data in
            let script = ClusterScript(
                stage: stage, narrator: narrator, site: site, data: data, group: group, server: server,
                showProgress: showProgress)
            return try await script.play()
        }
    }

    private func perform<Summary: Sendable>(
        on group: any EventLoopGroup,
        _ play: @escaping @Sendable (DemoSite, DemoBytes) async throws -> Summary
    ) async throws -> Summary {
        let data = DemoBytes(byteCount: byteCount)
        let site = try await DemoSite.open(serving: data, on: group)
        // No task group: that would wait for a step which hangs, the very thing the clock is there for.
        let (outcomes, continuation) = AsyncThrowingStream.makeStream(of: Summary.self)
        let tasks = [
            Task { _ = try? await site.serve() },
            Task { await outcome(continuation) { try await play(site, data) } },
            Task { await watchProcesses(continuation) },
            Task { await watchClock(continuation) },
        ]
        defer {
            data.cancel()
            for task in tasks { task.cancel() }
        }
        for try await summary in outcomes { return summary }
        throw CancellationError()
    }

    private typealias Outcomes<Summary> = AsyncThrowingStream<Summary, any Error>.Continuation

    private func outcome<Summary>(
        _ outcomes: Outcomes<Summary>, of play: () async throws -> Summary
    ) async {
        do {
            outcomes.yield(try await play())
        } catch {
            try? await Task.sleep(for: Self.newsTime)
            outcomes.finish(throwing: failure(error))
        }
    }

    private func watchProcesses<Summary>(_ outcomes: Outcomes<Summary>) async {
        while !Task.isCancelled {
            if let casualty = stage.casualty, let ending = casualty.ending {
                let cause = CommandFailure(.unexpected, "the \(casualty.role) \(ending)")
                outcomes.finish(throwing: failure(cause, logOf: casualty.role))
                return
            }
            try? await Task.sleep(for: DemoProcess.interval)
        }
    }

    private func watchClock<Summary>(_ outcomes: Outcomes<Summary>) async {
        guard (try? await Task.sleep(for: timeLimit)) != nil else { return }
        let seconds = "\(timeLimit.components.seconds) s"
        outcomes.finish(
            throwing: failure(CommandFailure(.unexpected, "not done when \(seconds) were over; it hung here"))
        )
    }

    /// Puts the step in front of the cause, and the end of a log behind it.
    private func failure(_ error: any Error, logOf role: DemoProcess.Role? = nil) -> CommandFailure {
        let cause = error as? CommandFailure ?? CommandFailure(.unexpected, error)
        let step = narrator.step
        var message = step.map { "step \($0.number) (\($0.title)): \(cause.message)" } ?? cause.message
        if let role = role ?? step?.role {
            let tail = stage.logTail(of: role)
            message +=
                tail.isEmpty ? "\nthe \(role) has logged nothing" : "\nthe last that the \(role) logged:"
            for line in tail { message += "\n  \(line)" }
            message += "\nwith --keep, all logs stay to be read"
        }
        return CommandFailure(cause.status, message)
    }
}
