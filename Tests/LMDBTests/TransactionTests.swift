import LMDB
import TestSupport
import Testing

@Suite("Transaction")
struct TransactionTests {
    private let store: TestedStore
    private let environment: Environment

    init() throws {
        store = try TestedStore()
        environment = try store.open()
    }

    @Test(
        "gives back what was put, of any size", arguments: [0, 1, 7, 100, 2000, 2040, 4096, 5000, 300_000])
    func roundTrip(_ byteCount: Int) throws {
        var random = SeededRandom(seed: UInt64(byteCount))
        let entry = Entry(
            key: random.bytes(1 + byteCount % 511),
            value: CheckedValue(version: 200, payload: random.bytes(byteCount)))
        try environment.put([entry])
        #expect(try environment.entries() == [entry])
        let version = try environment.read { (transaction) throws(LMDBError) in
            try transaction.withValue(for: entry.key, in: TestedStore.records) {
                (version, payload) throws(LMDBError) in
                payload.count == byteCount ? version : nil
            }
        }
        #expect(version == 200)
        _ = try environment.check()
    }

    @Test("finds nothing under another key or in another table")
    func absence() throws {
        try environment.put([Entry("a", "1")])
        try environment.read { (transaction) throws(LMDBError) in
            #expect(try transaction.value(for: [98], in: TestedStore.records) == nil)
            #expect(try transaction.value(for: [97], in: TestedStore.others) == nil)
            #expect(try transaction.count(of: TestedStore.records) == 1)
            #expect(try transaction.first(in: TestedStore.others) == nil)
        }
    }

    @Test("replaces, removes, and empties a table")
    func changes() throws {
        try environment.put([Entry("a", "1"), Entry("b", "2"), Entry("c", "3")])
        try environment.put([Entry("b", "longer than before", version: 9)])
        try environment.write { (transaction) throws(LMDBError) in
            #expect(try transaction.remove([97], from: TestedStore.records))
            #expect(try !transaction.remove([97], from: TestedStore.records))
        }
        #expect(try environment.entries() == [Entry("b", "longer than before", version: 9), Entry("c", "3")])
        try environment.write { (transaction) throws(LMDBError) in
            try transaction.removeAll(from: TestedStore.records)
        }
        #expect(try environment.entries().isEmpty)
    }

    @Test("walks in the order of keys, and back, within any range")
    func ranges() throws {
        var random = SeededRandom(seed: 5)
        // Short keys of few letters: many share a beginning, or are the beginning of others.
        func key() -> [UInt8] {
            (0..<Int.random(in: 1...4, using: &random)).map { _ in
                [0, 1, 97, 255].randomElement(using: &random) ?? 0
            }
        }
        let keys = Set((0..<120).map { _ in key() }).sorted { $0.lexicographicallyPrecedes($1) }
        try environment.put(
            keys.shuffled(using: &random).map { Entry(key: $0, value: .init(version: 0, payload: $0)) })
        var ranges = (0..<60).map { _ in KeyRange(from: key(), below: key()) }
        ranges += [.all, KeyRange(from: [], below: []), KeyRange(from: key()), KeyRange(below: key())]
        for prefix in keys.prefix(30) + [[], [255], [255, 255]] {
            ranges.append(.prefix(prefix))
            let begun = try found(.prefix(prefix), .ascending)
            #expect(begun == keys.filter { $0.starts(with: prefix) }, "prefix \(prefix)")
        }
        for range in ranges {
            let wanted = keys.filter { key in
                range.lower.map { !key.lexicographicallyPrecedes($0) } ?? true
                    && range.upper.map { key.lexicographicallyPrecedes($0) } ?? true
            }
            #expect(try found(range, .ascending) == wanted, "\(range)")
            #expect(try found(range, .descending) == wanted.reversed(), "\(range)")
            try environment.read { (transaction) throws(LMDBError) in
                #expect(try transaction.first(in: TestedStore.records, range)?.key == wanted.first)
                #expect(try transaction.last(in: TestedStore.records, range)?.key == wanted.last)
            }
        }
    }

    private func found(_ range: KeyRange, _ order: KeyOrder) throws -> [[UInt8]] {
        try environment.read { (transaction) throws(LMDBError) in
            try transaction.entries(in: TestedStore.records, range, order).map(\.key)
        }
    }

    @Test("leaves nothing of a transaction that throws")
    func abort() throws {
        try environment.put([Entry("a", "1")])
        #expect(throws: Refusal.ours) {
            try environment.write { (transaction) throws(Refusal) in
                do throws(LMDBError) {
                    try transaction.put(Entry("b", "2").value, for: [98], in: TestedStore.records)
                    try transaction.remove([97], from: TestedStore.records)
                } catch {
                    throw .store(error)
                }
                throw .ours
            }
        }
        #expect(try environment.entries() == [Entry("a", "1")])
    }

    @Test("a reader sees one state while a writer commits another")
    func snapshot() throws {
        try environment.put([Entry("a", "1")])
        try environment.read { (transaction) throws(LMDBError) in
            for number in 2..<50 { try environment.put([Entry("a", "\(number)"), Entry("b\(number)", "x")]) }
            #expect(try transaction.entries(in: TestedStore.records) == [Entry("a", "1")])
        }
        #expect(try environment.entries().first == Entry("a", "49"))
    }

    @Test("refuses keys without bytes, with too many, and then the whole transaction", arguments: [0, 512])
    func keyLength(_ byteCount: Int) throws {
        let entry = Entry(key: [UInt8](repeating: 1, count: byteCount), value: .init(version: 0, payload: []))
        #expect(throws: LMDBError.refused(path: store.path, call: "mdb_put", .MDB_BAD_VALSIZE)) {
            try environment.put([Entry("a", "1"), entry])
        }
        #expect(try environment.entries().isEmpty)
    }

    @Test("says that it is full, and goes on when there is room again")
    func full() throws {
        let small = try TestedStore()
        let environment = try small.open(mapByteCount: 1 << 20)
        let large = CheckedValue(version: 0, payload: [UInt8](repeating: 7, count: 300_000))
        try environment.put([Entry(key: [1], value: large)])
        #expect(throws: LMDBError.full(path: small.path, byteCount: 1 << 20)) {
            try environment.put((2..<9).map { Entry(key: [$0], value: large) })
        }
        #expect(try environment.entries().map(\.key) == [[1]])
        try environment.put([Entry(key: [2], value: large)])
    }

    @Test("ends the program that writes inside a write instead of waiting for ever")
    func nestedWrite() async {
        await #expect(processExitsWith: .failure) {
            let environment = try TestedStore().open()
            try environment.write { (_) throws(LMDBError) in
                try environment.write { (_) throws(LMDBError) in }
            }
        }
    }

    private enum Refusal: StoreFailure, Equatable {
        case ours
        case store(LMDBError)

        init(_ error: LMDBError) { self = .store(error) }
    }
}
