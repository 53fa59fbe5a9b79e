import LMDB
import TestSupport
import Testing

@Suite("EnvironmentCheck on healthy stores")
struct SoakTests {
    @Test("finds nothing wrong after any transaction", arguments: 1...3)
    func anyTransactions(_ seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let store = try TestedStore()
        var environment: Environment? = try store.open()
        var model: [[UInt8]: [UInt8]] = [:]
        let longestKey = [3, 20, 511][seed % 3]
        for round in 0..<48 {
            if round % 16 == 15 {
                environment = nil
                environment = try store.open(absence: .fails)
            }
            let opened = try #require(environment)
            let before = model
            let fails = Int.random(in: 0..<8, using: &random) == 0
            do throws(LMDBError) {
                try opened.write { (transaction) throws(LMDBError) in
                    for _ in 0..<Int.random(in: 1...60, using: &random) {
                        try change(&transaction, &model, longestKey: longestKey, &random)
                    }
                    if fails { throw .missing(path: "on purpose") }
                }
            } catch {
                #expect(fails && error == .missing(path: "on purpose"))
                model = before
            }
            let report = try opened.check()
            #expect(report.tables == ["schema": 1, "others": 0, "records": model.count], "round \(round)")
            if round % 16 == 14 { try compare(opened, model) }
        }
    }

    private func change(
        _ transaction: inout WriteTransaction, _ model: inout [[UInt8]: [UInt8]], longestKey: Int,
        _ random: inout SeededRandom
    ) throws(LMDBError) {
        switch Int.random(in: 0..<100, using: &random) {
        case 0:
            try transaction.removeAll(from: TestedStore.records)
            model = [:]
        case 1..<35:
            // From an order that does not change from run to run.
            let keys = model.keys.sorted { $0.lexicographicallyPrecedes($1) }
            guard let key = keys.randomElement(using: &random) else { return }
            try transaction.remove(key, from: TestedStore.records)
            model[key] = nil
        default:
            let key = random.bytes(Int.random(in: 1...longestKey, using: &random))
            let size = [10, 100, 2000, 3000, 9000].randomElement(using: &random) ?? 0
            let payload = random.bytes(Int.random(in: 0...size, using: &random))
            try transaction.put(payload.span, version: 1, for: key, in: TestedStore.records)
            model[key] = payload
        }
    }

    private func compare(_ environment: Environment, _ model: [[UInt8]: [UInt8]]) throws {
        let entries = try environment.entries()
        #expect(entries.count == model.count)
        #expect(entries.allSatisfy { model[$0.key] == $0.value.payload })
    }

    @Test("accepts a file that ends before pages which one transaction both took and gave back")
    func shortFile() throws {
        let store = try TestedStore()
        var environment: Environment? = try store.open()
        let records = (0..<60).map { Entry("\($0)", String(repeating: "x", count: 2000)) }
        try environment?.put(records)
        try environment?.write { (transaction) throws(LMDBError) in
            try transaction.removeAll(from: TestedStore.records)
        }
        for _ in 0..<3 { try environment?.put([Entry("a", "1")], in: TestedStore.others) }
        // Too large for the pages that are free now, and given back before the commit.
        try environment?.write { (transaction) throws(LMDBError) in
            let large = [UInt8](repeating: 1, count: 900_000)
            try transaction.put(large.span, version: 0, for: [1], in: TestedStore.records)
            try transaction.remove([1], from: TestedStore.records)
        }
        environment = nil
        let report = try EnvironmentCheck.walk(store.path)
        #expect(try store.read().count / 4096 < report.usedPageCount + report.freePageCount)
        let opened = try store.open()
        #expect(try opened.entries(of: TestedStore.others) == [Entry("a", "1")])
        try opened.put(records)
        #expect(try opened.check().tables["records"] == 60)
    }
}
