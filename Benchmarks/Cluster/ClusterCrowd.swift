internal import Dispatch
internal import Foundation
internal import Multiserver
internal import PeerSupport
internal import Synchronization
internal import TypedSodium

/// Members at all machines, each with sessions of its own, that ask at once.
struct ClusterCrowd {
    /// What they have measured, and what it cost.
    struct Findings {
        var times = LookUpTimes()
        /// The processor time of all machines and NATS servers.
        var cpuSeconds = 0.0
    }

    /// What the sessions of one run have found.
    private struct Answers {
        var values: [Double] = []
        var error: (any Error)?
    }

    private static let memberCount = 16

    private let stage: ClusterStage
    private let members: [Identity]

    init(_ stage: ClusterStage) async throws {
        self.stage = stage
        members = try await stage.members(Self.memberCount)
    }

    /// So many sessions, each of which asks so many times a second at most, and again only when it has been answered.
    func ask(sessionCount: Int, perSecond rate: Double, during seconds: Double) async throws -> Findings {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result { try run(sessionCount, perSecond: rate, during: seconds) })
            }
        }
    }

    private func run(_ count: Int, perSecond rate: Double, during seconds: Double) throws -> Findings {
        let answers = SharedAnswers()
        let (connected, answered) = (DispatchGroup(), DispatchGroup())
        for number in 0..<count {
            connected.enter()
            answered.enter()
            let (member, machine) = (members[number % members.count], number % stage.places.count)
            Thread.detachNewThread { [stage] in
                defer { answered.leave() }
                let asker = Result { try RawEnd(member, to: stage.id, at: stage.places[machine].port) }
                connected.leave()
                // All begin when the last one has its session.
                connected.wait()
                answers.add(
                    Result {
                        try Self.ask(
                            asker.get(), during: seconds, perSecond: rate,
                            from: Double(number) / Double(count) / rate)
                    })
            }
        }
        connected.wait()
        var findings = Findings()
        let (start, before) = (ContinuousClock.now, stage.cpuSeconds)
        answered.wait()
        let passed = (ContinuousClock.now - start).inSeconds
        findings.cpuSeconds = stage.cpuSeconds - before
        findings.times.values = try answers.values()
        findings.times.rate = Double(findings.times.values.count) / passed
        return findings
    }

    /// Asks for so long, one after another, so many times a second at most; how long each took, in milliseconds.
    ///
    /// Each session begins at a time of its own, so that they do not ask together.
    private static func ask(
        _ end: RawEnd, during seconds: Double, perSecond rate: Double, from phase: Double
    ) throws -> [Double] {
        var values: [Double] = []
        let start = ContinuousClock.now
        while true {
            let due = phase + Double(values.count) / rate
            let passed = (ContinuousClock.now - start).inSeconds
            if max(due, passed) >= seconds { return values }
            if due > passed { Thread.sleep(forTimeInterval: due - passed) }
            values.append(try end.miss(Identity.random().publicKey.id).inSeconds * 1e3)
        }
    }

    /// What all threads add to.
    private final class SharedAnswers: Sendable {
        private let state = Mutex(Answers())

        func add(_ result: Result<[Double], any Error>) {
            state.withLock { state in
                switch result {
                case .success(let values): state.values += values
                case .failure(let error): state.error = error
                }
            }
        }

        func values() throws -> [Double] {
            try state.withLock { state in
                if let error = state.error { throw error }
                return state.values
            }
        }
    }
}

/// How long look-ups took, in milliseconds, and how many there were a second.
struct LookUpTimes {
    var values: [Double] = []
    var rate = 0.0

    var p50: Double { values.median }

    var p99: Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? .nan : sorted[(sorted.count - 1) * 99 / 100]
    }
}

extension ClusterStage {
    /// The processor time of all machines and NATS servers.
    var cpuSeconds: Double {
        let machines = places.indices.compactMap { machine($0)?.id }
        return ProcessTable().usage(of: machines + engine.processNumbers, withMemory: false).cpuSeconds
    }
}
