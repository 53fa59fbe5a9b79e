/// What a walk has seen of one tree so far.
struct Subtree {
    /// The table's name; empty for the tree of tables and for that of free pages.
    let name: String
    let isFreeList: Bool
    var branchCount: UInt64 = 0
    var leafCount: UInt64 = 0
    var overflowCount: UInt64 = 0
    var entryCount = 0
    /// The lists of free pages.
    private(set) var freeLists: [[UInt8]] = []
    private var last: (key: [UInt8], isEntry: Bool)?

    init(of name: String, isFreeList: Bool) {
        self.name = name
        self.isFreeList = isFreeList
    }

    /// Checks that keys ascend: an entry may have the key of the branch that leads to it, and no other may
    /// come twice.
    mutating func checkOrder(of key: [UInt8], on page: Page, isEntry: Bool) throws(Damage) {
        guard isFreeList ? key.count == 8 : (1...511).contains(key.count) else {
            throw page.fault("a key of no length")
        }
        if let last {
            let mayRepeat = !last.isEntry
            guard precedes(last.key, key) || mayRepeat && last.key == key else {
                throw page.fault("keys out of order")
            }
        }
        last = (key, isEntry)
    }

    /// The tree's order: of numbers where it is the tree of free pages, else byte by byte.
    func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard isFreeList else { return left.span.precedes(right.span) }
        return Self.number(left) < Self.number(right)
    }

    /// Takes a value, whose checksum is looked at in a table.
    mutating func accept(_ value: [UInt8], for key: [UInt8]) throws(Damage) {
        if isFreeList {
            freeLists.append(value)
        } else if !CheckedValue.isIntact(value.span, table: name, key: key.span) {
            throw .value(table: name, index: entryCount)
        }
    }

    /// In the tree of free pages, the newest commit that freed any.
    var newestCommit: UInt64? { last.map { Self.number($0.key) } }

    private static func number(_ key: [UInt8]) -> UInt64 {
        key.indices.reduce(0) { $0 | UInt64(key[$1]) << (8 * UInt64($1)) }
    }
}
