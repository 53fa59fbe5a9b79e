import Foundation
import LMDB
import TestSupport
import Testing

@Suite("Several processes")
struct ProcessTests {
    private let store: TestedStore

    init() throws { store = try TestedStore() }

    @Test("each sees what the other commits")
    func twoProcesses() throws {
        let environment = try store.open()
        let child = try Child("LMDBChild")
        for number in 0..<5 {
            #expect(try child.ask("put \(store.path) key\(number) value\(number)") == "done")
            try environment.put([Entry("own\(number)", "x")])
        }
        #expect(try environment.entries().count == 10)
        #expect(try environment.entries().first == Entry("key0", "value0"))
        #expect(try child.ask("dump \(store.path)").hasPrefix("holds 10 entries"))
    }

    @Test("what a process has acknowledged is there after it was killed, twenty times")
    func killedWriter() throws {
        var random = SeededRandom(seed: 9)
        var acknowledged = 0
        for _ in 0..<20 {
            let child = try Child("LMDBChild")
            try child.tell("commit \(store.path) \(acknowledged)")
            let more = acknowledged + Int.random(in: 1...40, using: &random)
            while acknowledged < more { acknowledged = try #require(Int(try child.answer())) + 1 }
            let last = child.kill().last.flatMap { Int($0) }
            acknowledged = max(acknowledged, (last ?? 0) + 1)

            let entries = try store.open(absence: .fails).entries()
            #expect(entries.count == acknowledged || entries.count == acknowledged + 1)
            for (index, entry) in entries.enumerated() {
                #expect(entry.key == [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: index >> $0) })
                #expect(entry.value.payload.count == 50 + index % 5000)
            }
        }
    }

    @Test("a copy or a walk made while another process writes is one state, whole")
    func copyWhileWriting() throws {
        let environment = try store.open()
        let child = try Child("LMDBChild")
        try child.tell("commit \(store.path) 0")
        for number in 0..<10 {
            _ = try child.answer()
            let path = "\(store.folder)/copy\(number)"
            try environment.copy(to: path)
            let report = try environment.check()
            let entries = try Environment(path: path, schema: TestedStore.schema, absence: .fails).entries()
            #expect(!entries.isEmpty && entries.count <= report.tables["records"] ?? 0)
            #expect(entries.indices.allSatisfy { entries[$0].value.payload.count == 50 + $0 % 5000 })
        }
        child.kill()
    }

    @Test("one store comes of two processes that make it at once")
    func bornTwice() throws {
        for _ in 0..<10 {
            let store = try TestedStore()
            let children = try [Child("LMDBChild"), Child("LMDBChild")]
            for (number, child) in children.enumerated() {
                try child.tell("put \(store.path) key\(number) x")
            }
            for child in children { #expect(try child.answer() == "done") }
            #expect(try store.open().entries().count == 2)
            #expect(try store.names == ["store", "store-lock"])
        }
    }
}
