import NIOCore

/// What happens when, in a simulation: the earliest first, of equal ones the one that was added first.
struct EventQueue<Event> {
    private struct Entry {
        let at: NIODeadline
        let number: UInt64
        let event: Event

        static func < (left: Entry, right: Entry) -> Bool {
            left.at == right.at ? left.number < right.number : left.at < right.at
        }
    }

    private var heap: [Entry] = []
    private var lastNumber: UInt64 = 0

    var nextAt: NIODeadline? { heap.first?.at }
    var count: Int { heap.count }

    mutating func add(_ event: Event, at deadline: NIODeadline) {
        lastNumber += 1
        heap.append(Entry(at: deadline, number: lastNumber, event: event))
        var index = heap.count - 1
        while index > 0, heap[index] < heap[(index - 1) / 2] {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    mutating func popFirst() -> (at: NIODeadline, event: Event)? {
        guard let first = heap.first else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child] < heap[least]
            {
                least = child
            }
            guard least != index else { return (first.at, first.event) }
            heap.swapAt(index, least)
            index = least
        }
    }
}
