internal import NIOCore

/// What is to happen when, the earliest first: a binary heap.
struct DeadlineQueue<Element: Sendable>: Sendable {
    private var heap: [(deadline: NIODeadline, element: Element)] = []

    init() {}

    /// When the next is due.
    var deadline: NIODeadline? { heap.first?.deadline }

    mutating func add(_ element: Element, at deadline: NIODeadline) {
        heap.append((deadline, element))
        var index = heap.count - 1
        while index > 0, heap[index].deadline < heap[(index - 1) / 2].deadline {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    /// The next that is due.
    mutating func takeDue(at now: NIODeadline) -> Element? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < heap.count && heap[child].deadline < heap[least].deadline {
                least = child
            }
            guard least != index else { return first.element }
            heap.swapAt(index, least)
            index = least
        }
    }
}
