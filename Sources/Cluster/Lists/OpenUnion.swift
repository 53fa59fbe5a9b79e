internal import TypedSodium

/// The open ids of all machines together: what lists show.
///
/// ### Invariants
/// - An id is there exactly as often as machines have it.
struct OpenUnion: Sendable {
    /// What lists have to be told.
    struct Changes: Equatable, Sendable {
        var joined: Set<PublicKey> = []
        var left: Set<PublicKey> = []

        var isEmpty: Bool { joined.isEmpty && left.isEmpty }
    }

    private var counts: [PublicKey: Int] = [:]
    /// What has changed since it was last asked.
    private(set) var changes = Changes()

    init() {}

    /// How many ids there are.
    var count: Int { counts.count }

    /// All of them, in no order.
    var keys: [PublicKey] { Array(counts.keys) }

    /// One more machine has an id.
    mutating func insert(_ key: PublicKey) {
        counts[key, default: 0] += 1
        guard counts[key] == 1 else { return }
        if changes.left.remove(key) == nil { changes.joined.insert(key) }
    }

    /// A machine has an id no more.
    mutating func remove(_ key: PublicKey) {
        guard let count = counts[key] else { return }
        counts[key] = count == 1 ? nil : count - 1
        guard count == 1 else { return }
        if changes.joined.remove(key) == nil { changes.left.insert(key) }
    }

    /// What has changed, once.
    mutating func takeChanges() -> Changes {
        defer { changes = Changes() }
        return changes
    }
}
