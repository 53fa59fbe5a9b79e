import Foundation
import LMDB
import TestSupport
import Testing

/// Every damaged store is given to another process: one that ends by a signal there fails the test.
@Suite("Damage")
struct DamageTests {
    private let store: TestedStore
    private let child: Child
    private let healthy: [UInt8]
    private let contents: String
    private let pageByteCount = 4096

    init() throws {
        store = try TestedStore()
        child = try Child("LMDBChild")
        try Self.fill(store)
        healthy = try store.read()
        contents = try child.ask("dump \(store.path)")
        #expect(contents.hasPrefix("holds 96 entries"))
    }

    /// Entries enough for branches, overflow pages, and free pages of several commits.
    private static func fill(_ store: TestedStore) throws {
        var random = SeededRandom(seed: 77)
        let environment = try store.open()
        try environment.put((0..<3).map { Entry("large \($0)", String(repeating: "x", count: 5000 + $0)) })
        try environment.put(
            (0..<150).map { number in
                Entry(
                    key: Array("key \(number)".utf8),
                    value: .init(version: 1, payload: random.bytes(number % 90)))
            })
        for round in 0..<3 {
            try environment.write { (transaction) throws(LMDBError) in
                for number in stride(from: round, to: 60, by: 1) where number % 3 == round {
                    try transaction.remove(Array("key \(number)".utf8), from: TestedStore.records)
                }
            }
        }
        try environment.put([Entry("a", "1"), Entry("b", "2"), Entry("c", "3")], in: TestedStore.others)
    }

    /// What another process says about a store with these bytes.
    private func verdict(_ bytes: [UInt8]) throws -> String {
        try store.write(bytes)
        return try child.ask("dump \(store.path)")
    }

    @Test("a file that ends at any page, or within one, is refused, unless only free pages are lost")
    func truncated() throws {
        let used = try EnvironmentCheck.walk(store.path).usedPageCount
        for pages in 0..<healthy.count / pageByteCount {
            for more in [0, 1, pageByteCount / 2] {
                let said = try verdict(Array(healthy.prefix(pages * pageByteCount + more)))
                let isHarmless = said == contents && pages >= used
                #expect(said.hasPrefix("refused ") || isHarmless, "\(pages) pages and \(more) bytes: \(said)")
            }
        }
        #expect(try verdict(healthy) == contents)
    }

    @Test("states with numbers beyond the binding's integers are refused, and nothing traps")
    func hugeNumbers() throws {
        for first: UInt64 in [1 << 63, .max - 1, UInt64(Int64.max) - 1] {
            for second in [first - 1, first + 1] {
                var bytes = healthy
                for (place, number) in [(144, first), (pageByteCount + 144, second)] {
                    let digits = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
                    bytes.replaceSubrange(place..<place + 8, with: digits)
                }
                #expect(try verdict(bytes).hasPrefix("refused "), "\(first), \(second)")
            }
        }
    }

    @Test("a lost page is refused unless it was free")
    func lostPages() throws {
        var random = SeededRandom(seed: 3)
        var refused = 0
        for page in 0..<healthy.count / pageByteCount {
            for filling in [[UInt8](repeating: 0, count: pageByteCount), random.bytes(pageByteCount)] {
                var bytes = healthy
                bytes.replaceSubrange(page * pageByteCount..<(page + 1) * pageByteCount, with: filling)
                let said = try verdict(bytes)
                #expect(said.hasPrefix("refused ") || said == contents, "page \(page): \(said)")
                if said.hasPrefix("refused ") { refused += 1 }
                if page < 2 { #expect(said.hasPrefix("refused "), "a meta page") }
            }
        }
        #expect(refused == 2 * (try EnvironmentCheck.walk(restored()).usedPageCount))
    }

    private func restored() throws -> String {
        try store.write(healthy)
        return store.path
    }

    @Test("a flipped bit is refused or means nothing", arguments: 0..<6)
    func flippedBits(_ seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        // The meta pages and the first bytes of every page are few and matter most; the rest is sampled.
        let places =
            seed == 0
            ? Array(0..<152) + Array(pageByteCount..<pageByteCount + 152)
            : (0..<300).map { _ in
                let page = Int.random(in: 0..<healthy.count / pageByteCount, using: &random)
                return page * pageByteCount
                    + Int.random(in: 0..<(Bool.random(using: &random) ? 64 : 4096), using: &random)
            }
        for place in places {
            var bytes = healthy
            bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            let said = try verdict(bytes)
            #expect(said.hasPrefix("refused ") || said == contents, "byte \(place): \(said)")
        }
    }

    @Test("a commit that looks like another because its number was damaged is refused", arguments: [0, 1])
    func numbers(_ commits: Int) throws {
        for _ in 0..<commits { try restoredStore().put([Entry("d", "4")]) }
        let intact = try store.read()
        for place in [144, pageByteCount + 144] {
            for number in UInt8.min...255 where number != intact[place] {
                var bytes = intact
                bytes[place] = number
                let said = try verdict(bytes)
                #expect(said.hasPrefix("refused "), "byte \(place), \(number) for \(intact[place]): \(said)")
            }
        }
    }

    @Test("another program's file is refused")
    func foreignFile() throws {
        var random = SeededRandom(seed: 4)
        let text = Array(String(repeating: "not a store\n", count: 2000).utf8)
        for bytes in [text, random.bytes(20_000), [0], [UInt8](repeating: 0, count: 8192)] {
            #expect(try verdict(bytes).hasPrefix("refused \(store.path) is no store"))
        }
    }

    @Test("pages of another state of the same store are refused")
    func mixedStates() throws {
        let older = healthy
        try restoredStore().put([Entry("key 100", "changed"), Entry("key 101", "changed too")])
        let newer = try store.read()
        let now = try child.ask("dump \(store.path)")
        for page in 2..<older.count / pageByteCount {
            let range = page * pageByteCount..<(page + 1) * pageByteCount
            guard older[range] != newer[range] else { continue }
            var bytes = newer
            bytes.replaceSubrange(range, with: older[range])
            let said = try verdict(bytes)
            #expect(said.hasPrefix("refused ") || said == now, "page \(page): \(said)")
        }
    }

    private func restoredStore() throws -> Environment {
        try store.write(healthy)
        return try store.open(absence: .fails)
    }
}
