internal import NIOCore

/// Whose turn it is among those that have something to send.
///
/// A round for each, of a quantum that what it has not used is added to: deficit round-robin (Shreedhar and Varghese, 1995).
/// One that had nothing, and has little now, goes first, which is what a keystroke needs beside a transfer; behind that turn
/// it waits for the others' like them, also when it has nothing more. So it gets no more than one such turn a round, and
/// nobody can be kept waiting by many of them: the lists of new and of old flows of fq_codel (RFC 8290, 4.2).
///
/// ### Invariants
/// - Each member is here once, while it has a turn.
/// - A turn is begun only where there is a member.
struct TurnRing<Member: TurnTaker> {
    /// Up to how much is little, and what such a turn allows, in bytes: a frame.
    static var sparseByteCount: Int { 4096 }

    /// Those that go first; there is none most of the time, and then it takes no memory.
    private var sparse: CircularBuffer<Member>?
    private var ring = CircularBuffer<Member>(initialCapacity: 1)
    /// Whether the first of each was given what it may send in this turn.
    private var isSparseTurnBegun = false
    private var isTurnBegun = false

    var isEmpty: Bool { sparse == nil && ring.isEmpty }

    var count: Int { ring.count + (sparse?.count ?? 0) }

    /// Whose turn it is, without beginning it.
    var first: Member? { sparse?.first ?? ring.first }

    /// Whether what is here, and begun, fits together.
    var invariantsHold: Bool {
        (!isTurnBegun || !ring.isEmpty) && (!isSparseTurnBegun || sparse != nil)
            && sparse?.isEmpty != true && first?.hasTurn != false
    }

    /// One that had no turn has something to send.
    mutating func join(_ member: Member, isSparse: Bool) {
        member.hasTurn = true
        if isSparse {
            sparse = sparse ?? CircularBuffer(initialCapacity: 1)
            sparse?.append(member)
        } else {
            ring.append(member)
        }
    }

    /// Whose turn it is; where it begins, it may send a quantum more.
    mutating func current(quantumByteCount: Int) -> Member? {
        if let member = sparse?.first {
            if !isSparseTurnBegun { member.deficit = Self.sparseByteCount }
            isSparseTurnBegun = true
            return member
        }
        guard let member = ring.first else { return nil }
        if !isTurnBegun { member.deficit += quantumByteCount }
        isTurnBegun = true
        return member
    }

    /// The turn is over, and there is more to send: behind the others.
    mutating func pass() {
        let isSparse = sparse != nil
        guard let member = finishTurn() else { return }
        if isSparse { member.deficit = 0 }
        ring.append(member)
    }

    /// There is nothing more to send; what was not used up is no claim on later turns.
    mutating func rest() {
        let isSparse = sparse != nil
        guard let member = finishTurn() else { return }
        member.deficit = 0
        if isSparse, !ring.isEmpty { ring.append(member) } else { member.hasTurn = false }
    }

    /// The one whose turn it is has to wait for something else than a turn.
    mutating func leave() {
        guard let member = finishTurn() else { return }
        member.deficit = 0
        member.hasTurn = false
    }

    /// Takes one out: one that comes and goes leaves nothing behind.
    mutating func remove(_ member: Member) {
        guard member.hasTurn else { return }
        member.hasTurn = false
        if first === member {
            _ = finishTurn()
        } else {
            if ring.first === member { isTurnBegun = false }
            ring.removeAll { $0 === member }
            sparse?.removeAll { $0 === member }
        }
    }

    mutating func removeAll() { self = TurnRing() }

    private mutating func finishTurn() -> Member? {
        guard let member = sparse?.popFirst() else {
            isTurnBegun = false
            return ring.popFirst()
        }
        if sparse?.isEmpty == true { sparse = nil }
        isSparseTurnBegun = false
        return member
    }
}

/// Whoever takes turns.
protocol TurnTaker: AnyObject {
    /// How much may still be sent in this turn, in bytes.
    var deficit: Int { get set }
    /// Whether there is a turn to come.
    var hasTurn: Bool { get set }
}
