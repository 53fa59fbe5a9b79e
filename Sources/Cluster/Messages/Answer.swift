package import TypedSodium

/// Who announces a target at the machine that answers.
package struct FoundAnnouncer: Hashable, Sendable {
    /// The key that it has proved there.
    package let key: PublicKey
    /// When it announced itself.
    package let time: HybridTime

    /// An announcer.
    package init(_ key: PublicKey, at time: HybridTime) {
        self.key = key
        self.time = time
    }
}

/// What a machine has of what it was asked for.
///
/// An answer has three slots more than the question has places, whatever was found: every target that is there gets
/// one; what is left is dealt out in turns, to four a target.
package struct Answer: Equatable, Sendable {
    /// An announcer of one target.
    struct Slot: Equatable, Sendable {
        static let byteCount = 41

        let target: UInt8
        let announcer: FoundAnnouncer
    }

    /// How many announcers of one target are told.
    package static let announcerLimit = 4

    private static let spareCount = 3

    /// The asker's number.
    package let question: UInt64
    /// How many places the question has.
    private let placeCount: UInt8
    /// Bit n: target n is here.
    private let found: UInt64
    private let slots: [Slot]

    /// The answer to a question: for each target the announcers, the best in front.
    package init(to question: Question, _ announcers: [[FoundAnnouncer]]) {
        precondition(announcers.count == question.targets.count, "every target has an answer")
        self.question = question.id
        placeCount = UInt8(question.placeCount)
        var (slots, found): ([Slot], UInt64) = ([], 0)
        for round in 0..<Self.announcerLimit {
            for (index, announcers) in announcers.enumerated()
            where announcers.count > round && slots.count < question.placeCount + Self.spareCount {
                found |= 1 << UInt64(index)
                slots.append(Slot(target: UInt8(index), announcer: announcers[round]))
            }
        }
        self.slots = slots
        self.found = found
    }

    /// Who announces the target with this index.
    package func announcers(of target: Int) -> [FoundAnnouncer] {
        slots.filter { $0.target == target }.map(\.announcer)
    }

    /// Whether nothing was found.
    package var isEmpty: Bool { found == 0 }

    /// Whether it can be the answer to a question with so many targets.
    func fits(targetCount: Int) -> Bool { Int(placeCount) == Question.placeCount(for: targetCount) }

    var byteCount: Int { 8 + 1 + 8 + 1 + (Int(placeCount) + Self.spareCount) * Slot.byteCount }

    func write(to writer: inout ClusterWriter) {
        writer.write(question)
        writer.write(placeCount)
        writer.write(found)
        writer.write(UInt8(slots.count))
        for slot in slots {
            writer.write(slot.target)
            writer.write(slot.announcer.time.value)
            writer.write(slot.announcer.key.bytes)
        }
        writer.pad((Int(placeCount) + Self.spareCount - slots.count) * Slot.byteCount)
    }
}

extension Answer {
    init(from reader: inout ClusterReader) throws(ClusterError) {
        question = try reader.number()
        placeCount = try reader.number()
        guard placeCount > 0, Question.placeCount(for: Int(placeCount)) == placeCount else {
            throw .malformed
        }
        found = try reader.number()
        let count: UInt8 = try reader.number()
        let slotCount = Int(placeCount) + Self.spareCount
        guard count <= slotCount else { throw .malformed }
        var (slots, named): ([Slot], UInt64) = ([], 0)
        for _ in 0..<count {
            let target: UInt8 = try reader.number()
            guard target < placeCount else { throw .malformed }
            let time = try reader.time()
            slots.append(
                Slot(target: target, announcer: FoundAnnouncer(PublicKey(try reader.fixed()), at: time)))
            named |= 1 << UInt64(target)
        }
        guard named == found else { throw .malformed }
        try reader.padding((slotCount - Int(count)) * Slot.byteCount)
        self.slots = slots
    }
}
