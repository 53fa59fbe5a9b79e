/// What every account of a pool holds, and who may hold more: counts in, answers out, no lock and no time.
///
/// Accounts nest. At each step the shares are max-min: while there is room an account may have it, also what others
/// leave unused; when there is not, it may have as much as an equal share, one share being kept for a newcomer.
///
/// ### Invariants
/// - What an account holds is the sum of what its children hold, and at a leaf what was drawn there.
/// - No draw lets an account hold more than its limit, or than is left in any account above it.
struct AccountTree: ~Copyable {
    /// Where an account stands in the tree.
    typealias Place = Int

    /// How much of an account is kept for children below their equal share, as a divisor: an eighth.
    static let reserveDivisor = 8

    private struct Node {
        var parent: Place?
        var limit: Int
        var keepsReserve: Bool
        var held = 0
        /// How many children hold something.
        var activeCount = 0
        var children: Set<Place> = []
    }

    private var nodes: [Node]
    private var free: [Place] = []

    static let root: Place = 0

    init(limit: Int, keepsReserve: Bool) {
        nodes = [Node(parent: nil, limit: limit, keepsReserve: keepsReserve)]
    }

    mutating func open(in parent: Place, limit: Int, keepsReserve: Bool) -> Place {
        let node = Node(parent: parent, limit: limit, keepsReserve: keepsReserve)
        let place: Place
        if let reused = free.popLast() {
            place = reused
            nodes[place] = node
        } else {
            place = nodes.count
            nodes.append(node)
        }
        nodes[parent].children.insert(place)
        return place
    }

    /// Forgets an account that holds nothing and has no children.
    mutating func close(_ place: Place) {
        guard let parent = nodes[place].parent else { return }
        nodes[parent].children.remove(place)
        nodes[place] = Node(parent: nil, limit: 0, keepsReserve: false)
        free.append(place)
    }

    func held(by place: Place) -> Int { nodes[place].held }

    func childCount(of place: Place) -> Int { nodes[place].children.count }

    /// How much an account may hold at this moment, what it holds included.
    func capacity(of place: Place) -> Int {
        // Fields and not the node: a copy would retain its children.
        let (held, limit) = (nodes[place].held, nodes[place].limit)
        guard let parent = nodes[place].parent else { return limit }
        let whole = capacity(of: parent)
        let heldByAll = nodes[parent].held
        let unreserved = nodes[parent].keepsReserve ? whole - whole / Self.reserveDivisor : whole
        // What is left of the part that is lent to whoever wants it.
        let lent = held + max(0, unreserved - heldByAll)
        let claimants = nodes[parent].activeCount + (held > 0 ? 0 : 1)
        let equalShare = whole / (claimants + 1)
        let fair = min(equalShare, held + max(0, whole - heldByAll))
        return min(limit, max(lent, fair))
    }

    /// Whether an account, or one above it, holds more than that part of what it may.
    func holds(moreThanOneOf part: Int, from place: Place) -> Bool {
        var place: Place? = place
        while let current = place {
            if nodes[current].held > capacity(of: current) / part { return true }
            place = nodes[current].parent
        }
        return false
    }

    /// Whether an account may hold that much more, also when all that hold something beside it come to want as much.
    ///
    /// What is lent is seen by all of them at the same time. Twice the reserve is left for what is under way meanwhile.
    func hasRoom(for count: Int, at place: Place) -> Bool {
        guard capacity(of: place) - nodes[place].held >= count else { return false }
        var current = place
        while let parent = nodes[current].parent {
            let claimants = max(1, nodes[parent].activeCount)
            let whole = capacity(of: parent)
            let isLent = nodes[current].held + count > whole / (claimants + 1)
            let reserve = nodes[parent].keepsReserve ? 2 * (whole / Self.reserveDivisor) : 0
            if isLent, (whole - reserve - nodes[parent].held) / claimants < count { return false }
            current = parent
        }
        return true
    }

    /// Lets an account hold more; whether it may.
    mutating func draw(_ count: Int, at place: Place) -> Bool {
        guard count <= capacity(of: place) - nodes[place].held else { return false }
        overdraw(count, at: place)
        return true
    }

    /// Lets an account hold more than it may.
    mutating func overdraw(_ count: Int, at place: Place) {
        var place: Place? = place
        while let current = place {
            let wasIdle = nodes[current].held == 0
            nodes[current].held += count
            place = nodes[current].parent
            if wasIdle, count > 0, let parent = place { nodes[parent].activeCount += 1 }
        }
    }

    /// Which of the accounts on a way from the root down is in the way of that much more; its index.
    ///
    /// Its own limit is, or what the others in it hold; then one of those right below it has to give way.
    func contention(for count: Int, on way: [Place]) -> Int? {
        for (index, place) in way.enumerated() where capacity(of: place) - held(by: place) < count {
            return index > 0 && nodes[place].limit - held(by: place) >= count ? index - 1 : index
        }
        return nil
    }

    /// Lets an account hold less.
    mutating func giveBack(_ count: Int, at place: Place) {
        guard count > 0 else { return }
        var place: Place? = place
        while let current = place {
            nodes[current].held -= count
            place = nodes[current].parent
            if nodes[current].held == 0, let parent = place { nodes[parent].activeCount -= 1 }
        }
    }

    /// The leaf that holds most of what the largest account holds, step by step; `nil` where nothing is held below.
    func largestLeaf(below place: Place) -> Place? {
        guard nodes[place].held > 0 else { return nil }
        var leaf = place
        while let child = largestChild(of: leaf) { leaf = child }
        return leaf == place ? nil : leaf
    }

    /// The same among the leaves that can give way; an account without one below it is passed over.
    func largestLeaf(below place: Place, where canGiveWay: (Place) -> Bool) -> Place? {
        let children = nodes[place].children.filter { nodes[$0].held > 0 }
        for child in children.sorted(by: { (nodes[$0].held, $1) > (nodes[$1].held, $0) }) {
            if canGiveWay(child) { return child }
            if let leaf = largestLeaf(below: child, where: canGiveWay) { return leaf }
        }
        return nil
    }

    private func largestChild(of place: Place) -> Place? {
        nodes[place].children.max { (nodes[$0].held, $1) < (nodes[$1].held, $0) }.flatMap {
            nodes[$0].held > 0 ? $0 : nil
        }
    }
}
