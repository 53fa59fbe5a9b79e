/// One page of a file in LMDB's format 1, on a machine of 64 bits.
///
/// | offset | bytes | field                                                                  |
/// |--------|-------|------------------------------------------------------------------------|
/// | 0      | 8     | its own number                                                         |
/// | 10     | 2     | kind: branch 1, leaf 2, overflow 4, meta 8                             |
/// | 12     | 2     | end of the offsets of nodes; with the next two, an overflow's pages    |
/// | 14     | 2     | beginning of the nodes                                                 |
/// | 16     | 2 · n | offsets of the nodes, in order of their keys                           |
///
/// A node has 4 bytes of the size of its data (or, with the next two, the number of a branch's child), 2 of
/// flags, 2 of the key's length, then key and data. Numbers are in the machine's own byte order. Nothing in a
/// page is believed: every access is checked and throws.
///
/// Source: OpenLDAP's `mdb.c` 0.9, `MDB_page`, `MDB_node`, `MDB_db` and `MDB_meta`.
struct Page {
    /// The kinds of pages.
    enum Kind: UInt16 {
        case branch = 1
        case leaf = 2
        case overflow = 4
        case meta = 8
    }

    static let headerByteCount = 16

    let number: UInt64
    let bytes: [UInt8]

    /// The number that the page says it has.
    var claimedNumber: UInt64 { get throws(Damage) { try integer(at: 0, UInt64.self) } }

    /// What the page says it is.
    var kind: Kind {
        get throws(Damage) {
            guard let kind = Kind(rawValue: try integer(at: 10, UInt16.self)) else {
                throw fault("of no kind")
            }
            return kind
        }
    }

    /// How many pages an overflow takes.
    var overflowPageCount: UInt32 { get throws(Damage) { try integer(at: 12, UInt32.self) } }

    /// The nodes in the order of their keys.
    func nodes() throws(Damage) -> [Node] {
        let lower = Int(try integer(at: 12, UInt16.self))
        let upper = Int(try integer(at: 14, UInt16.self))
        guard lower >= Self.headerByteCount, lower % 2 == 0, lower <= upper, upper <= bytes.count else {
            throw fault("its bounds make no sense")
        }
        var nodes: [Node] = []
        for place in stride(from: Self.headerByteCount, to: lower, by: 2) {
            let offset = Int(try integer(at: place, UInt16.self))
            guard offset >= upper else { throw fault("a node outside its bounds") }
            nodes.append(try Node(self, at: offset))
        }
        return nodes
    }

    /// The number at an offset.
    func integer<Number: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, _: Number.Type
    ) throws(Damage) -> Number {
        guard offset >= 0, offset <= bytes.count - MemoryLayout<Number>.size else {
            throw fault("it ends too early")
        }
        // Safety: the bounds have been checked, and any bytes make a number.
        return unsafe bytes.withUnsafeBytes {
            unsafe $0.loadUnaligned(fromByteOffset: offset, as: Number.self)
        }
    }

    /// The bytes from an offset on.
    func slice(at offset: Int, count: Int) throws(Damage) -> [UInt8] {
        guard offset >= 0, count >= 0, count <= bytes.count - offset else { throw fault("it ends too early") }
        return Array(bytes[offset..<offset + count])
    }

    func fault(_ words: String) -> Damage { .page(number, words) }
}

/// A key in a page, and what it leads to.
struct Node {
    static let headerByteCount = 8

    let key: [UInt8]
    /// On a branch: the page below.
    let child: UInt64
    /// On a leaf: the size of the value, in bytes.
    let valueByteCount: Int
    /// On a leaf: bit 0, the value stands in overflow pages; bit 1, the value is a tree.
    let flags: UInt16
    /// Where the data begins in the page.
    let dataOffset: Int

    init(_ page: Page, at offset: Int) throws(Damage) {
        let low = try page.integer(at: offset, UInt16.self)
        let high = try page.integer(at: offset + 2, UInt16.self)
        flags = try page.integer(at: offset + 4, UInt16.self)
        let keyByteCount = Int(try page.integer(at: offset + 6, UInt16.self))
        valueByteCount = Int(low) | Int(high) << 16
        child = UInt64(valueByteCount) | UInt64(flags) << 32
        key = try page.slice(at: offset + Self.headerByteCount, count: keyByteCount)
        dataOffset = offset + Self.headerByteCount + keyByteCount
    }
}

/// Where a tree begins, and what it claims to hold.
struct Tree: Equatable {
    static let byteCount = 48
    /// The root of a tree without entries.
    static let noPage = UInt64.max

    let pad: UInt32
    let flags: UInt16
    let depth: UInt16
    let branchCount, leafCount, overflowCount, entryCount, root: UInt64

    init(_ page: Page, at offset: Int) throws(Damage) {
        pad = try page.integer(at: offset, UInt32.self)
        flags = try page.integer(at: offset + 4, UInt16.self)
        depth = try page.integer(at: offset + 6, UInt16.self)
        branchCount = try page.integer(at: offset + 8, UInt64.self)
        leafCount = try page.integer(at: offset + 16, UInt64.self)
        overflowCount = try page.integer(at: offset + 24, UInt64.self)
        entryCount = try page.integer(at: offset + 32, UInt64.self)
        root = try page.integer(at: offset + 40, UInt64.self)
    }
}
