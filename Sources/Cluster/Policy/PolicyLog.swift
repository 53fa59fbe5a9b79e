/// How far this machine has applied the log of policy, and what it waits for to stand there.
///
/// The owner reads the stream from ``mark`` on and hands over one record after another; each is one transaction of its
/// own store, together with the mark. What does not follow from what this machine has is refused for good: somebody has
/// gone back to an older copy of the stream, or changed it.
///
/// ### Invariants
/// - The index never falls, and each record names the hash of the one before.
package struct PolicyLog: Sendable {
    /// What came of a record that was read.
    package enum Step: Equatable, Sendable {
        /// It is the next: apply its body, and keep the mark with it.
        case apply(PolicyRecord)
        /// It is the one that this machine wanted to append: apply it, and tell the one who asked.
        case applyOwn(PolicyRecord)
        /// This machine has it already.
        case known
    }

    /// What came of an append that nobody answered, once the stream was read to its end.
    package enum Verdict: Equatable, Sendable {
        /// Nothing is waited for.
        case nothing
        /// Its place is free: the same record is to be sent again, because the first one may still come.
        case sendAgain(PolicyRecord)
        /// Another record stands in its place: it is to be made anew, where it is still wanted.
        case displaced
    }

    /// Why the log is frozen: nothing of it is believed any more, and nothing is appended.
    package enum Failure: Error, Equatable, Sendable {
        /// The stream ends before what this machine has: it was restored from an old copy, or wiped.
        case rolledBack(last: UInt64, known: UInt64)
        /// A record does not follow from the one before.
        case forked(at: UInt64)
        /// A record is missing.
        case gap(expected: UInt64, found: UInt64)
    }

    /// How far it is applied.
    package private(set) var mark: PolicyMark
    /// Why nothing is believed any more.
    package private(set) var failure: Failure?
    /// The record that is to be appended.
    private var pending: PolicyRecord?

    /// Goes on behind what this machine's own store has.
    package init(appliedTo mark: PolicyMark) { self.mark = mark }

    /// The record that is to be appended behind ``mark``, whose index is the last number that the stream has to have;
    /// `nil` where another is on its way, the log is frozen, or it is too long.
    package mutating func append(_ body: [UInt8], salt: MachineID) -> PolicyRecord? {
        guard failure == nil, pending == nil, body.count <= PolicyRecord.bodyByteCountLimit else {
            return nil
        }
        let record = PolicyRecord(behind: mark, salt: salt, body: body)
        pending = record
        return record
    }

    /// The stream refused the record that was to be appended, because another came before it.
    package mutating func refused() { pending = nil }

    /// A record was read, with its number in the stream.
    ///
    /// - Throws: ``Failure``, and ever after.
    package mutating func take(_ record: PolicyRecord, number: UInt64) throws(Failure) -> Step {
        if let failure { throw failure }
        guard record.index == number else { throw freeze(.forked(at: number)) }
        guard number > mark.index else {
            // What came long before cannot be compared; the last one can.
            guard number < mark.index || record.mark == mark else { throw freeze(.forked(at: number)) }
            return .known
        }
        guard number == mark.index + 1 else { throw freeze(.gap(expected: mark.index + 1, found: number)) }
        guard record.previous == mark.hash else { throw freeze(.forked(at: number)) }
        mark = record.mark
        guard pending == record else { return .apply(record) }
        pending = nil
        return .applyOwn(record)
    }

    /// The stream was read to its end, whose number this is; what came of an append that nobody answered.
    ///
    /// - Throws: ``Failure`` where the stream ends before what this machine has, and ever after.
    package mutating func reachedEnd(_ last: UInt64) throws(Failure) -> Verdict {
        if let failure { throw failure }
        guard last >= mark.index else { throw freeze(.rolledBack(last: last, known: mark.index)) }
        guard let record = pending else { return .nothing }
        guard record.index <= mark.index else { return last == mark.index ? .sendAgain(record) : .nothing }
        pending = nil
        return .displaced
    }

    private mutating func freeze(_ failure: Failure) -> Failure {
        self.failure = failure
        pending = nil
        return failure
    }
}
