internal import Foundation
internal import Glibc

/// What the system knows of processes, read from /proc.
struct ProcessTable {
    /// A process that this one has not started itself.
    struct Entry {
        let id: Int32
        let startTime: String
    }

    private var childrenOf: [Int32: [Entry]] = [:]

    /// Everything that runs now.
    init() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for id in names.compactMap({ Int32($0) }) {
            guard let fields = Self.statistics(of: id), let parent = Int32(fields[Field.parent]) else {
                continue
            }
            childrenOf[parent, default: []].append(Entry(id: id, startTime: fields[Field.startTime]))
        }
    }

    /// All that a process has started, and what those have, and so on.
    func descendants(of id: Int32) -> [Entry] {
        let children = childrenOf[id] ?? []
        return children + children.flatMap { descendants(of: $0.id) }
    }

    /// What tells a process from a later one with the same number.
    static func startTime(of id: Int32) -> String? { statistics(of: id)?[Field.startTime] }

    /// Where things stand in /proc/PID/stat behind the name, see proc(5).
    private enum Field {
        static let parent = 1
        static let userTime = 11
        static let systemTime = 12
        static let startTime = 19
        static let count = 20
    }

    private static func statistics(of id: Int32) -> [String]? {
        guard let text = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            let nameEnd = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: nameEnd)...].split(separator: " ").map(String.init)
        return fields.count >= Field.count ? fields : nil
    }

    // MARK: What processes use

    /// What of a process is in memory now, in bytes.
    static func byteCount(of id: Int32) -> Int { 1024 * number("VmRSS:", in: "/proc/\(id)/status") }

    /// What of this process is in memory now, in bytes.
    static var ownByteCount: Int { 1024 * number("VmRSS:", in: "/proc/self/status") }

    /// The most of this process that was in memory at once, in bytes.
    static var ownPeakByteCount: Int { 1024 * number("VmHWM:", in: "/proc/self/status") }

    /// What a group of processes has used since each of them began.
    struct Usage {
        /// On all cores, in user mode and in the kernel.
        var cpuSeconds = 0.0
        /// The most that was in memory at once, in bytes, of each process by itself.
        var peakByteCount = 0
        /// What is in memory now, pages that others have too shared out, in bytes.
        var proportionalByteCount = 0
        /// How often read(2), write(2) and their kin were called.
        var transferCallCount = 0
    }

    /// What some processes use, with everything that they have started.
    func usage(of roots: [Int32], withMemory: Bool = true) -> Usage {
        var usage = Usage()
        for id in roots + roots.flatMap({ descendants(of: $0).map(\.id) }) {
            if let fields = Self.statistics(of: id) {
                let ticks = (Double(fields[Field.userTime]) ?? 0) + (Double(fields[Field.systemTime]) ?? 0)
                usage.cpuSeconds += ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
            }
            usage.transferCallCount += Self.number("syscr:", in: "/proc/\(id)/io")
            usage.transferCallCount += Self.number("syscw:", in: "/proc/\(id)/io")
            guard withMemory else { continue }
            usage.peakByteCount += 1024 * Self.number("VmHWM:", in: "/proc/\(id)/status")
            usage.proportionalByteCount += 1024 * Self.number("Pss:", in: "/proc/\(id)/smaps_rollup")
        }
        return usage
    }

    private static func number(_ name: String, in path: String) -> Int {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) })
        else { return 0 }
        return line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap { Int($0) } ?? 0
    }
}
