internal import CLMDB

/// One of the first two pages, which say where a state of the store begins; commits write them in turn.
struct Meta: Equatable {
    private static let magic: UInt32 = 0xBEEF_C0DE
    private static let format: UInt32 = 1
    private static let byteCount = 152
    /// The largest page that LMDB knows, in bytes.
    private static let largestPage = 65536
    /// How often the pages are read again when they make no sense: a commit may be changing them.
    private static let attempts = 10

    let pageByteCount: Int
    let free, main: Tree
    let lastPage: UInt64
    /// The number of the commit.
    private(set) var number: UInt64

    private init(_ page: Page, index: Int) throws(Damage) {
        guard try page.kind == .meta, try page.claimedNumber == UInt64(index), try Self.isOurs(page) else {
            throw .meta(index, "no page of this format")
        }
        free = try Tree(page, at: 40)
        main = try Tree(page, at: 88)
        lastPage = try page.integer(at: 136, UInt64.self)
        number = try page.integer(at: 144, UInt64.self)
        // LMDB's binding has no larger ones; and no store lives to see so many commits.
        guard number <= UInt64(Int64.max) - 2 else { throw .meta(index, "no number of a state") }
        pageByteCount = Int(free.pad)
        // The flags of the tree of free pages double as those of the whole file.
        let isPlain = free.flags & ~UInt16(MDB_NOSUBDIR) == UInt16(MDB_INTEGERKEY)
        guard isPlain, main.flags == 0, main.pad == 0 else { throw .meta(index, "flags that are never set") }
        guard pageByteCount.nonzeroBitCount == 1, (512...Self.largestPage).contains(pageByteCount) else {
            throw .meta(index, "no size of pages")
        }
        guard lastPage >= 1, lastPage <= UInt64(UInt32.max) else { throw .meta(index, "no number of pages") }
    }

    /// The two of an open file, the newer one first.
    ///
    /// LMDB's own look at them is not enough: it divides by the page size that it finds, and where the higher
    /// number of a commit is damaged it goes on with the state before.
    static func pair(_ descriptor: Int32, path: String) throws(LMDBError) -> [Meta] {
        var attempt = 1
        while true {
            do throws(LMDBError) {
                let start = try SystemFile.read(descriptor, at: 0, count: 2 * largestPage, path: path)
                return try pair(start, path: path)
            } catch {
                guard attempt < attempts else { throw error }
                attempt += 1
            }
        }
    }

    /// The state as if it were that of the next commit but one, which is written to the same page.
    var renumbered: Meta {
        var later = self
        later.number += 2
        return later
    }

    private static func pair(_ start: [UInt8], path: String) throws(LMDBError) -> [Meta] {
        do throws(Damage) {
            let page = Page(number: 0, bytes: start)
            guard start.count >= byteCount, try isOurs(page) else { throw .page(0, "of no store") }
        } catch {
            throw .notAnEnvironment(path: path)
        }
        do throws(Damage) {
            let first = try Meta(Page(number: 0, bytes: start), index: 0)
            let secondStart = start.dropFirst(first.pageByteCount)
            guard secondStart.count >= first.pageByteCount else { throw .meta(1, "missing") }
            let second = try Meta(Page(number: 1, bytes: Array(secondStart)), index: 1)
            try checkSuccession(first, second)
            return first.number > second.number ? [first, second] : [second, first]
        } catch {
            throw .damaged(path: path, error)
        }
    }

    /// Even commits write the first, odd ones the second, and none is left out.
    private static func checkSuccession(_ first: Meta, _ second: Meta) throws(Damage) {
        let isSuccession =
            first.number > second.number
            ? first.number - second.number == 1 : second.number - first.number == 1
        let isFresh = first.number == 0 && second.number == 0
        guard isFresh || isSuccession && first.number % 2 == 0 else {
            throw .meta(first.number > second.number ? 0 : 1, "no number that follows the other's")
        }
        guard first.pageByteCount == second.pageByteCount, first.free.flags == second.free.flags else {
            throw .meta(1, "settings other than the first one's")
        }
    }

    private static func isOurs(_ page: Page) throws(Damage) -> Bool {
        let (claimedMagic, claimedFormat) = (
            try page.integer(at: 16, UInt32.self), try page.integer(at: 20, UInt32.self)
        )
        return claimedMagic == magic && claimedFormat == format
    }
}
