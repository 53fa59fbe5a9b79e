package import NIOCore

/// What waits to be sent on one connection: a queue per tunnel, served in turns by account, and in each by tunnel.
///
/// Deficit round-robin, twice (``TurnRing``): at each turn an account may send ``quantumByteCount`` more than it has sent, and
/// of its tunnels each the same; so accounts get equal shares of the socket, however many tunnels they have and however
/// they cut their packets. A tunnel that had nothing waiting goes first with a few bytes, and so does an account. An end
/// stands behind its tunnel's batches.
///
/// ### Invariants
/// - A tunnel stands in its account's round exactly while it has a turn, and the account in `round` likewise; what waits has
///   one.
/// - An account is known exactly while it has a tunnel here.
/// - A tunnel that is paced has no turn until its time has come.
/// - Only tunnels that are here are stalled, and a turn is begun only where somebody has one.
package struct OutboundQueues<Batch: QueuedBatch>: ~Copyable {
    /// How much an account, and a tunnel of it, may send per turn, in bytes: 64 KiB, one batch.
    package static var quantumByteCount: Int { 64 << 10 }

    /// What is to be sent next; consume it, so that the batch has one owner and can be sealed in place.
    package enum Turn {
        /// Packets of a tunnel, and whether its sender is to be told to go on.
        case batch(TunnelID, Batch, resumesSender: Bool)
        /// The end of a tunnel, plain or with an error's message; the tunnel is gone from here.
        case end(TunnelID, message: String?)
    }

    private let patience: TimeAmount
    private var queues: [TunnelID: TunnelQueue<Batch>] = [:]
    private var accounts: [Int: AccountTurns<Batch>] = [:]
    /// The accounts that have something to send.
    private var round = TurnRing<AccountTurns<Batch>>()
    /// Since when the tunnels whose senders are paused have made no progress.
    private var stalledSince: [TunnelID: NIODeadline] = [:]
    /// When to look at those: no later than the first of them is stuck, so that no input has to look at all.
    package private(set) var stuckDeadline: NIODeadline?

    /// The tunnels that may send nothing before their time: their payers have had what their rate gives.
    private var paced: [TunnelID: NIODeadline] = [:]
    /// When to look at those: no later than the first of them has its time, so that no batch has to look at all.
    package private(set) var pacedDeadline: NIODeadline?

    /// No tunnels; one whose sender is paused is stuck when it makes no progress for as long as `patience`.
    package init(patience: TimeAmount = .seconds(30)) { self.patience = patience }

    /// Begins a queue; what is taken out of it is released from the flow.
    ///
    /// With a `credit` no more bytes are taken out of it than that and what is granted: it has no turn without.
    package mutating func insert(_ flow: TunnelFlow, credit: Int = .max) {
        let id = flow.causerID
        let account = accounts[id] ?? AccountTurns(id: id)
        accounts[id] = account
        account.tunnelCount += 1
        queues[flow.tunnel] = TunnelQueue(flow: flow, account: account, credit: credit)
        assert(invariantsHold)
    }

    /// Drops a tunnel's queue and closes its flow.
    package mutating func remove(_ tunnel: TunnelID) {
        defer { assert(invariantsHold) }
        isStalled(tunnel, since: nil)
        paced[tunnel] = nil
        guard let queue = queues.removeValue(forKey: tunnel) else { return }
        queue.flow.close()
        let account = queue.account
        account.remove(queue)
        guard account.tunnelCount == 0 else { return }
        accounts[account.id] = nil
        round.remove(account)
    }

    /// Drops everything, and closes every flow.
    package mutating func removeAll() {
        for queue in queues.values { queue.flow.close() }
        // A queue that waits for its turn and its account hold each other, and with them what is charged.
        for account in accounts.values { account.round.removeAll() }
        queues.removeAll()
        accounts.removeAll()
        round.removeAll()
        stalledSince.removeAll()
        paced.removeAll()
        pacedDeadline = nil
        stuckDeadline = nil
        assert(invariantsHold)
    }

    /// Appends packets, unless the tunnel has ended or its flow is closed.
    package mutating func append(_ batch: consuming Batch, to tunnel: TunnelID, at now: NIODeadline) {
        guard let queue = queues[tunnel], !queue.flow.isClosed else { return }
        queue.append(batch)
        if queue.flow.isPaused, stalledSince[tunnel] == nil { isStalled(tunnel, since: now) }
        activate(queue)
        assert(invariantsHold)
    }

    /// Puts the end behind what waits; a second one changes nothing.
    ///
    /// The tunnel cannot be stuck any more: its sender waits for nothing.
    package mutating func appendEnd(message: String?, to tunnel: TunnelID) {
        guard let queue = queues[tunnel] else { return }
        queue.appendEnd(message: message)
        isStalled(tunnel, since: nil)
        activate(queue)
        assert(invariantsHold)
    }

    /// The receiver of a tunnel takes so many bytes more.
    package mutating func grant(_ byteCount: Int, to tunnel: TunnelID) {
        guard let queue = queues[tunnel] else { return }
        queue.grant(byteCount)
        if !queue.isEmpty { activate(queue) }
    }

    /// How many tunnels there are.
    var count: Int { queues.count }

    /// What can be said of all that without looking at each tunnel.
    private var invariantsHold: Bool {
        round.count <= accounts.count && accounts.count <= queues.count
            && stalledSince.count <= queues.count && paced.count <= queues.count
            && round.invariantsHold && (round.first.map { $0.tunnelCount > 0 } ?? true)
    }

    /// Whether nothing waits.
    package var isEmpty: Bool { queues.values.allSatisfy(\.isEmpty) }

    /// What to send next, or `nil` when nothing waits.
    package mutating func next(at now: NIODeadline) -> Turn? {
        defer { assert(invariantsHold) }
        resumePaced(at: now)
        while let account = round.current(quantumByteCount: Self.quantumByteCount) {
            guard let (queue, taken) = account.take(quantumByteCount: Self.quantumByteCount, at: now)
            else {
                round.rest()
                continue
            }
            switch taken {
            case .batch(let batch):
                let resumes = queue.flow.release(batch.heldByteCount, carrying: batch.wireByteCount)
                noteProgress(of: queue.flow, at: now)
                return .batch(queue.flow.tunnel, batch, resumesSender: resumes)
            case .end(let message):
                remove(queue.flow.tunnel)
                return .end(queue.flow.tunnel, message: message)
            case .paced(let ready):
                paced[queue.flow.tunnel] = ready
                pacedDeadline = min(pacedDeadline ?? ready, ready)
                // It waits for nobody who reads: that is no standstill.
                if stalledSince[queue.flow.tunnel] != nil { stalledSince[queue.flow.tunnel] = now }
            case .accountOverdrawn, .overdrawn, .empty, .uncredited:
                round.pass()
            }
        }
        return nil
    }

    /// The tunnels that are stuck: their senders are paused, and for `patience` nothing was taken out.
    package mutating func stuck(at now: NIODeadline) -> [TunnelID] {
        guard let look = stuckDeadline, look <= now else { return [] }
        defer { stuckDeadline = stalledSince.values.min().map { $0 + patience } }
        let due = stalledSince.filter { $0.value + patience <= now }.keys.sorted()
        return due.filter { tunnel in
            // Its sender has found by itself that there is room again.
            let isPaused = queues[tunnel]?.flow.isPaused == true
            if !isPaused { isStalled(tunnel, since: nil) }
            return isPaused
        }
    }

    /// Whether the sender of a stuck tunnel is to be told to go on after all: it was paused when all queues together
    /// were longer, and what it has queued is little enough now.
    package mutating func resumeIfRoom(_ tunnel: TunnelID) -> Bool {
        guard queues[tunnel]?.flow.resumeIfRoom() == true else { return false }
        isStalled(tunnel, since: nil)
        return true
    }

    /// Gives those a turn whose time has come, the one that has waited longest first.
    package mutating func resumePaced(at now: NIODeadline) {
        guard let look = pacedDeadline, look <= now else { return }
        let due = paced.filter { $0.value <= now }.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        for (tunnel, _) in due {
            paced[tunnel] = nil
            if let queue = queues[tunnel], !queue.isEmpty { activate(queue) }
        }
        pacedDeadline = paced.values.min()
    }

    private mutating func activate(_ queue: TunnelQueue<Batch>) {
        guard !queue.hasTurn, paced.isEmpty || paced[queue.flow.tunnel] == nil else { return }
        let (account, isSparse) = (queue.account, queue.isSparse)
        account.round.join(queue, isSparse: isSparse)
        if !account.hasTurn { round.join(account, isSparse: isSparse) }
    }

    private mutating func noteProgress(of flow: TunnelFlow, at now: NIODeadline) {
        guard stalledSince[flow.tunnel] != nil else { return }
        isStalled(flow.tunnel, since: flow.isPaused ? now : nil)
    }

    private mutating func isStalled(_ tunnel: TunnelID, since time: NIODeadline?) {
        stalledSince[tunnel] = time
        if let time {
            stuckDeadline = min(stuckDeadline ?? time + patience, time + patience)
        } else if stalledSince.isEmpty {
            stuckDeadline = nil
        }
    }
}

/// Packets of one tunnel that wait together.
package protocol QueuedBatch {
    /// What they cost in memory, in bytes.
    var heldByteCount: Int { get }
    /// What they are as a session sends them, in bytes.
    var wireByteCount: Int { get }
    /// As how many bytes they count in turns.
    var turnByteCount: Int { get }
    /// Whether they are so few that they had better join what waits in front of them.
    var isSmall: Bool { get }

    /// Takes the packets of the next batch in behind one's own; whether there is room, nothing changes where not.
    mutating func join(_ next: borrowing Self) -> Bool
}
