internal import NIOCore

/// What waits, in turns by who caused it: one of each in a round, however many one of them has brought.
///
/// At the limit the newest of whoever has most waiting gives way, the newcomer itself where that is its own causer.
package struct Turns<Causer: Hashable, Element> {
    private let limit: Int
    private var queues: [Causer: CircularBuffer<Element>] = [:]
    private var round = CircularBuffer<Causer>()

    /// How many wait.
    package private(set) var count = 0

    /// Nothing waits, and never more than `limit`.
    package init(limit: Int) { self.limit = limit }

    /// How many have something that waits.
    package var causerCount: Int { round.count }

    /// How many of one causer wait.
    package func count(of causer: Causer) -> Int { queues[causer]?.count ?? 0 }

    /// Who has something waiting.
    package var causers: some Collection<Causer> { queues.keys }

    /// Puts something behind what else its causer has waiting; what had to give way, where something had to.
    package mutating func append(_ element: Element, of causer: Causer) -> (causer: Causer, element: Element)?
    {
        var dropped: (causer: Causer, element: Element)?
        if count >= limit {
            let largest = queues.max { $0.value.count < $1.value.count }
            guard let largest, largest.value.count > count(of: causer) else { return (causer, element) }
            dropped = removeNewest(of: largest.key).map { (largest.key, $0) }
        }
        if queues[causer] == nil { round.append(causer) }
        queues[causer, default: CircularBuffer()].append(element)
        count += 1
        return dropped
    }

    /// Takes what is next.
    package mutating func popFirst() -> (causer: Causer, element: Element)? {
        popFirst { _ in true }
    }

    /// Takes what is next of a causer that may have a turn now; the others keep theirs.
    package mutating func popFirst(
        where mayHaveTurn: (Causer) -> Bool
    ) -> (causer: Causer, element: Element)? {
        for _ in 0..<round.count {
            guard let causer = round.popFirst() else { return nil }
            guard mayHaveTurn(causer), let element = queues[causer]?.popFirst() else {
                round.append(causer)
                continue
            }
            count -= 1
            if queues[causer]?.isEmpty == true { queues[causer] = nil } else { round.append(causer) }
            return (causer, element)
        }
        return nil
    }

    /// Takes out everything that fits, as when its time is over, or its causer is gone.
    package mutating func removeAll(where isToGo: (Causer, Element) -> Bool) -> [Element] {
        var removed: [Element] = []
        for (causer, queue) in queues {
            let going = queue.filter { isToGo(causer, $0) }
            guard !going.isEmpty else { continue }
            removed += going
            count -= going.count
            let staying = CircularBuffer(queue.filter { !isToGo(causer, $0) })
            queues[causer] = staying.isEmpty ? nil : staying
            if staying.isEmpty { round.removeAll { $0 == causer } }
        }
        return removed
    }

    private mutating func removeNewest(of causer: Causer) -> Element? {
        let element = queues[causer]?.popLast()
        if element != nil { count -= 1 }
        if queues[causer]?.isEmpty == true {
            queues[causer] = nil
            round.removeAll { $0 == causer }
        }
        return element
    }
}

extension Turns: Sendable where Causer: Sendable, Element: Sendable {}
