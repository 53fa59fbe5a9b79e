import Foundation
import LMDB
import Testing

@Suite("Environment")
struct EnvironmentTests {
    private let store: TestedStore

    init() throws { store = try TestedStore() }

    @Test("makes its files for their owner alone, and leaves no draft")
    func modes() throws {
        let environment = try store.open()
        #expect(try store.names == ["store", "store-lock"])
        #expect(try store.permissions(of: "store") == 0o600)
        #expect(try store.permissions(of: "store-lock") == 0o600)
        try environment.copy(to: "\(store.folder)/copy")
        #expect(try store.permissions(of: "copy") == 0o600)
        #expect(try store.names == ["copy", "store", "store-lock"])
    }

    @Test("keeps what it holds when it is opened again")
    func opensAgain() throws {
        try store.open().put([Entry("a", "1")])
        #expect(try store.open(absence: .fails).entries() == [Entry("a", "1")])
    }

    @Test("is open once in a process, whatever way the path takes")
    func onlyOnce() throws {
        let environment = try store.open()
        let detour = store.folder + "/../" + (store.folder as NSString).lastPathComponent + "/./store"
        #expect(throws: LMDBError.alreadyOpen(path: detour)) {
            try Environment(path: detour, schema: TestedStore.schema)
        }
        #expect(throws: LMDBError.alreadyOpen(path: store.path)) { try EnvironmentCheck.walk(store.path) }
        try environment.put([Entry("a", "1")])
    }

    @Test("refuses a store that is missing, empty, exposed, or no file")
    func refusals() throws {
        #expect(throws: LMDBError.missing(path: store.path)) { try store.open(absence: .fails) }
        #expect(try store.names.isEmpty)
        try store.write([])
        #expect(throws: LMDBError.empty(path: store.path)) { try store.open() }
        _ = try FileManager.default.removeItem(atPath: store.path)
        _ = try store.open()
        try store.write(try store.read(), permissions: 0o640)
        #expect(throws: LMDBError.exposed(path: store.path, permissions: 0o640)) { try store.open() }
        try FileManager.default.moveItem(atPath: store.path, toPath: store.folder + "/moved")
        try FileManager.default.createSymbolicLink(
            atPath: store.path, withDestinationPath: store.folder + "/moved")
        #expect(throws: LMDBError.notAFile(path: store.path)) { try store.open() }
    }

    @Test("refuses a store of a later version, of another owner, or without a table")
    func schemas() throws {
        let tables = TestedStore.schema.tables
        _ = try store.open(Schema(identity: "lmdb tests", version: 3, tables: tables))
        #expect(throws: LMDBError.newerSchema(path: store.path, version: 3, known: 2)) { try store.open() }
        let other = Schema(identity: "something else", version: 2, tables: tables)
        #expect(throws: LMDBError.foreign(path: store.path, identity: "lmdb tests")) { try store.open(other) }
        let larger = Schema(identity: "lmdb tests", version: 3, tables: tables + [Table("third")])
        #expect(throws: LMDBError.lostTable(path: store.path, name: "third")) { try store.open(larger) }
    }

    @Test("brings an earlier version up to date in one step, or not at all")
    func upgrade() throws {
        let earlier = Schema(identity: "lmdb tests", version: 1, tables: [TestedStore.records])
        try store.open(earlier).put([Entry("a", "1")])
        #expect(throws: LMDBError.olderSchema(path: store.path, version: 1, known: 2)) { try store.open() }
        #expect(throws: LMDBError.missing(path: "half way")) {
            try store.open(upgrade: { (transaction, _) throws(LMDBError) in
                try transaction.put(Entry("b", "2").value, for: [98], in: TestedStore.others)
                throw .missing(path: "half way")
            })
        }
        #expect(try store.open(earlier).entries() == [Entry("a", "1")])
        let environment = try store.open(upgrade: { (transaction, version) throws(LMDBError) in
            #expect(version == 1)
            try transaction.put(Entry("b", "2").value, for: [98], in: TestedStore.others)
        })
        #expect(try environment.entries() == [Entry("a", "1")])
        #expect(try environment.entries(of: TestedStore.others) == [Entry("b", "2")])
    }

    @Test("copies the newest state, and replaces nothing")
    func copy() throws {
        let environment = try store.open()
        try environment.put((0..<500).map { Entry("\($0)", "value \($0)") })
        let path = store.folder + "/copy"
        try environment.copy(to: path)
        try environment.put([Entry("later", "x")])
        let copy = try Environment(path: path, schema: TestedStore.schema, absence: .fails)
        #expect(try copy.entries() == environment.entries().filter { $0 != Entry("later", "x") })
        #expect(throws: LMDBError.exists(path: path)) { try environment.copy(to: path) }
        try environment.sync()
    }

    @Test("a copy that is changed on its way appears changed, or not at all")
    func changedCopy() throws {
        struct Refusal: Error, StoreFailure {
            init(_ error: LMDBError) {}
            init() {}
        }
        let environment = try store.open()
        try environment.put([Entry("a", "1"), Entry("b", "2")])
        let path = store.folder + "/copy"
        #expect(throws: Refusal.self) {
            try environment.copy(to: path) { (_) throws(Refusal) in throw Refusal() }
        }
        #expect(try store.names == ["store", "store-lock"])
        try environment.copy(to: path) { (transaction) throws(LMDBError) in
            try transaction.remove(Array("a".utf8), from: TestedStore.records)
        }
        #expect(try environment.entries().count == 2)
        #expect(try store.names == ["copy", "store", "store-lock"])
        let copy = try Environment(path: path, schema: TestedStore.schema, absence: .fails)
        #expect(try copy.entries() == [Entry("b", "2")])
    }

    @Test("numbers its state anew with every commit that changes something")
    func stateNumber() throws {
        let environment = try store.open()
        let number = environment.stateNumber
        try environment.put([])
        #expect(environment.stateNumber == number)
        try environment.put([Entry("a", "1")])
        #expect(environment.stateNumber == number + 1)
    }

    @Test("messages say what to do")
    func messages() {
        let error = LMDBError.damaged(path: "/home/me/store", .value(table: "records", index: 3))
        #expect(
            "\(error)"
                == "the store /home/me/store is damaged (table \"records\": value 3 has a wrong checksum): "
                + "stop the node, move the file away, and restore it from a backup")
        #expect(ResultCode.MDB_NOTFOUND.description.hasPrefix("MDB_NOTFOUND"))
        #expect(ResultCode.MDB_NOTFOUND ~= -30798)
    }
}
