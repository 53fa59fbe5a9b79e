/// A walk over every page that a state of the store consists of, which no damage can crash.
///
/// LMDB believes its pages: a wrong number in one ends the process with SIGSEGV, SIGBUS or SIGABRT. So the
/// walk reads the file with plain calls and looks at each number before using it: that every page is what
/// leads to it says, is used once and not free, that keys ascend, that counts are right, and that every value
/// has its checksum.
struct StoreWalk {
    /// LMDB's own limit on the pages between a root and a value.
    private static let depthLimit = 32

    private let descriptor: Int32
    private let path: String
    private let meta: Meta
    private let filePageCount: UInt64
    private var used: Set<UInt64> = [0, 1]
    private var tables: [(name: String, tree: Tree)] = []
    private var report = CheckReport()

    private init(_ descriptor: Int32, path: String, meta: Meta, byteCount: Int) {
        self.descriptor = descriptor
        self.path = path
        self.meta = meta
        filePageCount = UInt64(byteCount / meta.pageByteCount)
    }

    /// Walks the state that a meta page describes; a transaction must keep its pages from being used again.
    ///
    /// - Throws: ``LMDBError/damaged(path:_:)`` or ``LMDBError/truncated(path:byteCount:expected:)``.
    static func walk(_ descriptor: Int32, path: String, meta: Meta) throws(LMDBError) -> CheckReport {
        let byteCount = try SystemFile.status(of: descriptor, path: path).byteCount
        var walk = StoreWalk(descriptor, path: path, meta: meta, byteCount: byteCount)
        do throws(Damage) {
            try walk.run()
            return walk.report
        } catch {
            guard walk.filePageCount > meta.lastPage else {
                let expected = Int(meta.lastPage + 1) * meta.pageByteCount
                throw .truncated(path: path, byteCount: byteCount, expected: expected)
            }
            throw .damaged(path: path, error)
        }
    }

    private mutating func run() throws(Damage) {
        let free = try freePages()
        // LMDB never writes a page that one transaction both took and gave back, so the file of a healthy
        // store may end before its last page: but only when all that is missing is free.
        let missing = meta.lastPage + 1 - min(meta.lastPage + 1, filePageCount)
        guard free.count(where: { $0 >= filePageCount }) == Int(missing) else {
            throw .page(filePageCount, "beyond the end of the file")
        }
        try walk(meta.main, of: "")
        for (name, tree) in tables {
            guard tree.flags == 0, tree.pad == 0 else { throw .wrongCount(table: name) }
            report.tables[name] = try walk(tree, of: name)
        }
        for number in used where free.contains(number) { throw .usedTwice(number) }
        report.usedPageCount = used.count
        report.freePageCount = free.count
    }

    /// The tree of free pages: by the number of the commit that freed them, their count and their numbers.
    private mutating func freePages() throws(Damage) -> Set<UInt64> {
        var free: Set<UInt64> = []
        var subtree = Subtree(of: "", isFreeList: true)
        try walk(meta.free, &subtree)
        // Every commit but the first replaces pages, and so writes down under its number that they are free.
        guard meta.number < 2 || subtree.newestCommit == meta.number else {
            throw .meta(Int(meta.number % 2), "not the number of its state")
        }
        for value in subtree.freeLists {
            let list = Page(number: meta.free.root, bytes: value)
            let count = try list.integer(at: 0, UInt64.self)
            guard count < value.count / 8 else { throw list.fault("a list of free pages that is too long") }
            for index in 0..<Int(count) {
                let number = try list.integer(at: 8 + 8 * index, UInt64.self)
                guard number > 1, number <= meta.lastPage else { throw .page(number, "free, but not there") }
                guard free.insert(number).inserted else { throw .usedTwice(number) }
            }
        }
        return free
    }

    /// Walks one tree.
    ///
    /// - Returns: the number of its entries.
    @discardableResult
    private mutating func walk(_ tree: Tree, of name: String) throws(Damage) -> Int {
        var subtree = Subtree(of: name, isFreeList: false)
        try walk(tree, &subtree)
        return subtree.entryCount
    }

    private mutating func walk(_ tree: Tree, _ subtree: inout Subtree) throws(Damage) {
        guard tree.depth <= Self.depthLimit, (tree.root == Tree.noPage) == (tree.depth == 0) else {
            throw .wrongCount(table: subtree.name)
        }
        if tree.depth > 0 { try descend(tree.root, depth: Int(tree.depth), below: nil, &subtree) }
        guard subtree.branchCount == tree.branchCount, subtree.leafCount == tree.leafCount,
            subtree.overflowCount == tree.overflowCount, UInt64(subtree.entryCount) == tree.entryCount
        else { throw .wrongCount(table: subtree.name) }
    }

    /// Walks the pages from one on; all keys there come before `upper`.
    private mutating func descend(
        _ number: UInt64, depth: Int, below upper: [UInt8]?, _ subtree: inout Subtree
    ) throws(Damage) {
        let page = try take(number, kind: depth > 1 ? .branch : .leaf)
        let nodes = try page.nodes()
        guard !nodes.isEmpty else { throw page.fault("without keys") }
        if depth == 1 { return try visit(page, nodes, below: upper, &subtree) }
        subtree.branchCount += 1
        for index in nodes.indices {
            // The first key of a branch means everything smaller, whatever it says.
            if index > 0 {
                try subtree.checkOrder(of: nodes[index].key, on: page, isEntry: false)
            }
            let next = index + 1 < nodes.count ? nodes[index + 1].key : upper
            try descend(nodes[index].child, depth: depth - 1, below: next, &subtree)
        }
    }

    private mutating func visit(
        _ page: Page, _ nodes: [Node], below upper: [UInt8]?, _ subtree: inout Subtree
    ) throws(Damage) {
        subtree.leafCount += 1
        for node in nodes {
            try subtree.checkOrder(of: node.key, on: page, isEntry: true)
            if let upper, !subtree.precedes(node.key, upper) { throw page.fault("a key in the wrong place") }
            let isTable = subtree.name.isEmpty && !subtree.isFreeList
            guard isTable ? node.flags == 2 : node.flags & ~1 == 0 else {
                throw page.fault("a value of no kind")
            }
            if isTable {
                guard node.valueByteCount == Tree.byteCount,
                    let name = String(validating: node.key, as: UTF8.self), !name.isEmpty
                else { throw page.fault("a table that is none") }
                tables.append((name, try Tree(page, at: node.dataOffset)))
            } else {
                try subtree.accept(try value(of: node, on: page, &subtree), for: node.key)
            }
            subtree.entryCount += 1
        }
    }

    /// A value from its page, or from the pages that it has for itself.
    private mutating func value(
        of node: Node, on page: Page, _ subtree: inout Subtree
    ) throws(Damage) -> [UInt8] {
        guard node.flags & 1 == 1 else {
            return try page.slice(at: node.dataOffset, count: node.valueByteCount)
        }
        let number = try page.integer(at: node.dataOffset, UInt64.self)
        let first = try take(number, kind: .overflow)
        // A value that was replaced by a shorter one in the same transaction keeps all its pages.
        let count = try first.overflowPageCount
        let needed = Page.headerByteCount + node.valueByteCount
        guard count > 0, needed <= Int(count) * meta.pageByteCount else {
            throw first.fault("too few pages for the value")
        }
        try use(number + 1, count: UInt64(count) - 1)
        subtree.overflowCount += UInt64(count)
        return try read(number, count: needed).slice(at: Page.headerByteCount, count: node.valueByteCount)
    }

    /// Reads a page of which only this is known, and notes that it is used.
    private mutating func take(_ number: UInt64, kind: Page.Kind) throws(Damage) -> Page {
        try use(number, count: 1)
        let page = try read(number, count: meta.pageByteCount)
        guard try page.claimedNumber == number, try page.kind == kind else {
            throw page.fault("not the one that belongs here")
        }
        return page
    }

    /// Notes that pages are used, none of them twice.
    private mutating func use(_ number: UInt64, count: UInt64) throws(Damage) {
        guard count > 0 else { return }
        guard number <= meta.lastPage, count <= meta.lastPage + 1 - number else {
            throw .page(number, "beyond the last one")
        }
        guard number < filePageCount, count <= filePageCount - number else {
            throw .page(number, "beyond the end of the file")
        }
        for used in number..<number + count where !self.used.insert(used).inserted { throw .usedTwice(used) }
    }

    /// Reads bytes from a page on, which must be in use.
    private func read(_ number: UInt64, count: Int) throws(Damage) -> Page {
        let bytes: [UInt8]
        do throws(LMDBError) {
            bytes = try SystemFile.read(
                descriptor, at: Int(number) * meta.pageByteCount, count: count, path: path)
        } catch {
            throw .page(number, "the disk does not give it back")
        }
        guard bytes.count == count else { throw .page(number, "beyond the end of the file") }
        return Page(number: number, bytes: bytes)
    }
}
