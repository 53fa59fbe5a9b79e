import Foundation
import LMDB

// The other process of the tests: it does what a line says, and answers with one line.

let records = Table("records")
let schema = Schema(identity: "lmdb tests", version: 2, tables: [records, Table("others")])

func answer(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
}

/// What all entries of all tables come to, the same for the same store only.
func digest(_ environment: Environment) throws(LMDBError) -> String {
    var sum: UInt64 = 0xCBF2_9CE4_8422_2325  // FNV-1a
    func add(_ bytes: Span<UInt8>) {
        for index in bytes.indices { sum = (sum ^ UInt64(bytes[index])) &* 0x100_0000_01B3 }
        sum = (sum ^ UInt64(bytes.count)) &* 0x100_0000_01B3
    }
    var count = 0
    try environment.read { (transaction) throws(LMDBError) in
        for table in schema.tables {
            try transaction.forEach(in: table) { (key, version, payload) throws(LMDBError) in
                add(key)
                add(payload)
                sum ^= UInt64(version)
                count += 1
                return .next
            }
        }
    }
    return "\(count) entries, \(String(sum, radix: 16))"
}

func perform(_ words: [String]) throws(LMDBError) -> String {
    let path = words[1]
    switch words[0] {
    case "number":
        return "\(getpid())"
    case "addresses":
        // So many more than it has now, in KiB.
        let used = Int(
            (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.prefix { $0 != " " } ?? "")
        let limit = rlim_t((used ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) + (Int(words[1]) ?? 0) << 10)
        var limits = rlimit(rlim_cur: limit, rlim_max: limit)
        return unsafe setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limits) == 0 ? "done" : "refused"
    case "fill":
        // In one table, until it may hold no more.
        let environment = try Environment(path: path, schema: schema)
        for number in 0... {
            let value = CheckedValue(version: 1, payload: [UInt8](repeating: 1, count: 1 << 20))
            try environment.write { (transaction) throws(LMDBError) in
                try transaction.put(value, for: Array("\(number)".utf8), in: records)
            }
        }
        return "done"
    case "dump":
        return "holds " + (try digest(try Environment(path: path, schema: schema, absence: .fails)))
    case "walk":
        return "healthy \(try EnvironmentCheck.walk(path).tables.values.reduce(0, +))"
    case "put":
        let environment = try Environment(path: path, schema: schema)
        try environment.write { (transaction) throws(LMDBError) in
            try transaction.put(
                CheckedValue(version: 1, payload: Array(words[3].utf8)), for: Array(words[2].utf8),
                in: records)
        }
        return "done"
    case "commit":
        // Until it is killed: every number that it says is on the disk.
        let environment = try Environment(path: path, schema: schema)
        var number = UInt32(words[2]) ?? 0
        while true {
            let key = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
            let value = CheckedValue(
                version: 1, payload: [UInt8](repeating: key[3], count: 50 + Int(number % 5000)))
            try environment.write { (transaction) throws(LMDBError) in
                try transaction.put(value, for: key, in: records)
            }
            answer("\(number)")
            number += 1
        }
    default:
        return "unknown \(words[0])"
    }
}

while let line = readLine() {
    do throws(LMDBError) {
        answer(try perform(line.split(separator: " ").map(String.init)))
    } catch {
        answer("refused \(error)")
    }
}
