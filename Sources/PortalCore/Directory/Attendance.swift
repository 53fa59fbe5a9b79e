package import MuxRPC
internal import NIOCore

/// Who has announced itself, by id, and what has changed lately.
///
/// Changes are numbered, so that every subscriber can be told exactly what it has not heard yet. Only the latest
/// ``changeLimit`` are kept: who is further behind is given the list anew.
package struct Attendance: Sendable {
    /// How many changes are kept: 4096, some 300 KiB.
    package static let changeLimit = 4096

    /// Somebody came or went.
    package enum Change: Equatable, Sendable {
        /// The id has announced itself.
        case joined(String)
        /// The id is not announced any more.
        case left(String)

        /// What `room.attendants` says of it.
        ///
        /// Source: rooms2, "Attendants".
        package var json: JSONValue {
            switch self {
            case .joined(let id): ["type": "joined", "id": .string(id)]
            case .left(let id): ["type": "left", "id": .string(id)]
            }
        }
    }

    /// How many changes there have been.
    package private(set) var version = 0

    /// The ids, sorted.
    package private(set) var ids: [String] = []

    private var changes = CircularBuffer<Change>()

    /// Nobody.
    package init() {}

    /// What has changed since a version, or `nil` when that is too long ago.
    package func changes(since version: Int) -> [Change]? {
        let missed = self.version - version
        guard missed >= 0, missed <= changes.count else { return nil }
        return Array(changes.suffix(missed))
    }

    /// Adds an id; whether it was missing.
    mutating func join(_ id: String) -> Bool {
        let place = place(of: id)
        guard place == ids.endIndex || ids[place] != id else { return false }
        ids.insert(id, at: place)
        note(.joined(id))
        return true
    }

    /// Removes an id; whether it was there.
    mutating func leave(_ id: String) -> Bool {
        let place = place(of: id)
        guard place < ids.endIndex, ids[place] == id else { return false }
        ids.remove(at: place)
        note(.left(id))
        return true
    }

    private mutating func note(_ change: Change) {
        version += 1
        changes.append(change)
        if changes.count > Self.changeLimit { changes.removeFirst() }
    }

    /// Where the id stands or would stand.
    private func place(of id: String) -> Int {
        var (low, high) = (0, ids.count)
        while low < high {
            let middle = (low + high) / 2
            if ids[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
