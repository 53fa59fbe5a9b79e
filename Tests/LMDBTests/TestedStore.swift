import Foundation
import LMDB

/// A folder of a test's own with a store in it, removed with the value.
final class TestedStore {
    static let records = Table("records")
    static let others = Table("others")
    static let schema = Schema(identity: "lmdb tests", version: 2, tables: [records, others])

    let folder = FileManager.default.temporaryDirectory.path + "/companionway-\(UUID().uuidString)"

    init() throws {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var path: String { folder + "/store" }

    func open(
        _ schema: Schema = TestedStore.schema, absence: Environment.Absence = .creates,
        mapByteCount: Int = Environment.defaultMapByteCount, upgrade: Environment.Upgrade? = nil
    ) throws(LMDBError) -> Environment {
        try Environment(
            path: path, schema: schema, absence: absence, mapByteCount: mapByteCount, upgrade: upgrade)
    }

    func read(_ name: String = "store") throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
    }

    func write(_ bytes: [UInt8], to name: String = "store", permissions: Int = 0o600) throws {
        let file = "\(folder)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: file)
    }

    func permissions(of name: String) throws -> Int? {
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
        return (attributes[.posixPermissions] as? NSNumber)?.intValue
    }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }
    }
}

extension Environment {
    /// Puts entries in one transaction.
    func put(_ entries: [Entry], in table: Table = TestedStore.records) throws(LMDBError) {
        try write { (transaction) throws(LMDBError) in
            for entry in entries { try transaction.put(entry.value, for: entry.key, in: table) }
        }
    }

    /// All entries of a table.
    func entries(of table: Table = TestedStore.records) throws(LMDBError) -> [Entry] {
        try read { (transaction) throws(LMDBError) in try transaction.entries(in: table) }
    }
}

extension Entry {
    /// An entry with text for key and payload.
    init(_ key: String, _ payload: String, version: UInt8 = 1) {
        self.init(
            key: Array(key.utf8), value: CheckedValue(version: version, payload: Array(payload.utf8)))
    }
}
