internal import NIOCore

/// Whether this machine serves: once it knows the others, and unless its clock is another than theirs.
struct Joining: Sendable {
    private enum Phase: Equatable {
        /// Others are listened for, and their lists fetched; at most until the second time.
        case listening(NIODeadline, until: NIODeadline)
        case serving
        /// Others have another clock.
        case apart
    }

    private static let listeningTime = TimeAmount.milliseconds(2_500)
    private static let patience = TimeAmount.seconds(5)

    private var phase: Phase
    private var agreement = ClockAgreement()

    /// Begins to listen.
    init(at now: NIODeadline) {
        phase = .listening(now + Self.listeningTime, until: now + Self.patience)
    }

    var isServing: Bool { phase == .serving }

    /// A heartbeat came whose time is too far from ours; whether that is news for the log.
    mutating func note(_ machine: MachineID, _ time: HybridTime, at now: NIODeadline) -> Bool {
        agreement.note(machine, time, at: now)
    }

    /// Looks whether it may serve; what has changed.
    mutating func step(among membership: Membership, at now: NIODeadline) -> ClusterEvent? {
        let others = agreement.current(at: now)
        let isAlone = membership.counted.isEmpty
        // Where nobody agrees with this clock it is the wrong one. One that serves was cut off by it, if it knew them.
        let isApart =
            isAlone && (isServing ? others.contains { membership.isDeparted($0) } : !others.isEmpty)
        if isApart {
            defer { phase = .apart }
            return phase == .apart ? nil : .notServing
        }
        switch phase {
        case .serving: return nil
        case .apart: break
        case .listening(let listening, let until):
            let isWaiting = membership.peers.values.contains { !$0.isCounted }
            guard now >= until || (now >= listening && !isWaiting) else { return nil }
        }
        phase = .serving
        return .serving
    }
}

/// When this machine's heart beats: every second, a tenth more or less, so that machines that started together do not
/// speak together.
struct Pulse: Sendable {
    private static let interval = TimeAmount.milliseconds(900)
    private static let spreadMilliseconds: UInt64 = 200

    private let seed: UInt64
    private var count: UInt64 = 0
    private(set) var nextAt: NIODeadline

    init(of machine: MachineID, at now: NIODeadline) {
        seed = machine.number
        nextAt = now
    }

    /// It beats at the next occasion.
    mutating func hurry(at now: NIODeadline) { nextAt = now }

    /// Whether it beats now.
    mutating func beats(at now: NIODeadline) -> Bool {
        guard nextAt <= now else { return false }
        count += 1
        var spread = seed &+ count &* 0x9E37_79B9_7F4A_7C15
        spread = (spread ^ spread >> 30) &* 0xBF58_476D_1CE4_E5B9
        nextAt = now + Self.interval + .milliseconds(Int64((spread >> 40) % Self.spreadMilliseconds))
        return true
    }
}
