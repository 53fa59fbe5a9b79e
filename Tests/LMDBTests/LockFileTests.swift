import Foundation
import Glibc
import TestSupport
import Testing

@testable import LMDB

@Suite("Where locks cannot be had")
struct LockFileTests {
    private let store: TestedStore

    init() throws { store = try TestedStore() }

    /// How much of a file is on the disk, in bytes.
    private func allocated(_ name: String) throws -> Int {
        var status = stat()
        try #require(unsafe stat("\(store.folder)/\(name)", &status) == 0)
        return Int(status.st_blocks) * 512
    }

    @Test("a file of locks has all its blocks before it is written to through memory")
    func fresh() throws {
        try store.open().put([Entry("a", "b")])
        #expect(try allocated("store-lock") >= LockFile.byteCount)
    }

    @Test("a file of locks without blocks, as LMDB itself makes it, gets them")
    func sparse() throws {
        do { try store.open().put([Entry("a", "b")]) }
        try store.write([], to: "store-lock")
        let isLong = unsafe truncate("\(store.folder)/store-lock", off_t(LockFile.byteCount)) == 0
        try #require(isLong)
        #expect(try store.open(absence: .fails).entries().count == 1)
        #expect(try allocated("store-lock") >= LockFile.byteCount)
    }

    @Test("no draft is left beside it")
    func names() throws {
        try store.open().put([Entry("a", "b")])
        #expect(try store.names == ["store", "store-lock"])
    }

    @Test("a process of the same number in another container is named as the cause")
    func sameNumber() throws {
        try store.open().put([Entry("a", "b")])
        let child = try Child("LMDBChild")
        let number = try #require(Int(try child.ask("number -")))
        // What LMDB does for each process that reads: a lock on the byte of its number.
        let file = unsafe open("\(store.folder)/store-lock", O_RDWR)
        try #require(file >= 0)
        defer { close(file) }
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = off_t(number)
        lock.l_len = 1
        try #require(unsafe fcntl(file, F_SETLK, &lock) == 0)
        let refusal = LMDBError.sameProcessNumber(path: store.path, number: number)
        #expect(try child.ask("dump \(store.path)") == "refused \(refusal)")
    }

    @Test("a copy in memory is one state, whole, while another process writes")
    func snapshot() throws {
        let child = try Child("LMDBChild")
        try child.tell("commit \(store.path) 0")
        for _ in 0..<50 { _ = try child.answer() }
        var last: UInt64 = 0
        for _ in 0..<30 {
            _ = try child.answer()
            let snapshot = try Snapshot(of: store.path)
            let newest = try #require(try Meta.pair(snapshot.file.number, path: store.path).first)
            let report = try StoreWalk.walk(snapshot.file.number, path: store.path, meta: newest)
            #expect((report.tables["records"] ?? 0) >= 50)
            #expect(newest.number >= last)
            last = newest.number
        }
        child.kill()
    }

    @Test("what this process may not have in addresses is done without, as far as it goes")
    func addresses() throws {
        try store.open().put([Entry("a", "b")])
        let before = try Child("LMDBChild").ask("dump \(store.path)")
        for limit in [8 << 20, 1 << 20, 200 << 10, 32 << 10] {
            let child = try Child("LMDBChild")
            #expect(try child.ask("addresses \(limit)") == "done")
            #expect(try child.ask("dump \(store.path)") == before, "\(limit) KiB")
            #expect(try child.ask("put \(store.path) key\(limit) value") == "done")
            #expect(try child.ask("dump \(store.path)").hasPrefix("holds"))
            try FileManager.default.removeItem(atPath: "\(store.folder)/store")
            try store.open().put([Entry("a", "b")])
        }
    }

    @Test("a store that this process has no addresses for is refused with the cause")
    func noAddresses() throws {
        try store.open().put([Entry("a", String(repeating: "x", count: 8 << 20))])
        let child = try Child("LMDBChild")
        #expect(try child.ask("addresses 9000") == "done")
        let said = try child.ask("dump \(store.path)")
        #expect(said.contains("bytes of addresses") && said.contains("ulimit -v"), "\(said)")
    }

    @Test("what a process with few addresses can hold no more says why")
    func full() throws {
        try store.open().put([Entry("a", "b")])
        let child = try Child("LMDBChild")
        #expect(try child.ask("addresses \(64 << 10)") == "done")
        let said = try child.ask("fill \(store.path)")
        #expect(said.contains("may hold") && said.contains("ulimit -v"), "\(said)")
    }
}
