internal import FoundationEssentials
internal import Glibc

/// How much this process may hold for others: what follows from the machine, once, at the start.
package struct ProcessSizes: Equatable, Sendable {
    /// What the machine has, for the whole of it.
    package struct Machine: Equatable, Sendable {
        /// Memory in bytes, or what the control group may have of it where that is less.
        package var memoryByteCount: Int
        /// Descriptors that the process may have.
        package var descriptorCount: Int

        /// These figures.
        package init(memoryByteCount: Int, descriptorCount: Int) {
            self.memoryByteCount = memoryByteCount
            self.descriptorCount = descriptorCount
        }
    }

    /// The pool of bytes that are held for others is as large by itself.
    package static let poolByteCounts = (64 << 20)...(256 << 20)

    /// The pool of bytes that are held for others.
    package let poolByteCount: Int
    /// How many connections there may be at a portal, those on trial included.
    package let connectionCount: Int
    /// How many descriptors the process may have.
    package let descriptorCount: Int

    /// A quarter of the memory, within bounds, unless somebody wants a pool of another size; a connection for every
    /// descriptor but those that are reserved.
    package init(_ machine: Machine, poolByteCount wanted: Int? = nil) {
        let bounds = Self.poolByteCounts
        poolByteCount = wanted ?? min(max(machine.memoryByteCount / 4, bounds.lowerBound), bounds.upperBound)
        descriptorCount = machine.descriptorCount
        // With very few of them, half.
        let reserved = min(ProcessDescriptors.reservedCount, machine.descriptorCount / 2)
        connectionCount = max(1, machine.descriptorCount - reserved)
    }

    /// The sizes of this process on this machine.
    package static func current(poolByteCount: Int? = nil) -> ProcessSizes {
        let memory = min(physicalByteCount, ControlGroup.memoryByteCount(reading: contents) ?? .max)
        let machine = Machine(memoryByteCount: memory, descriptorCount: ProcessDescriptors.limit)
        return ProcessSizes(machine, poolByteCount: poolByteCount)
    }

    private static var physicalByteCount: Int {
        let (pages, pageByteCount) = (sysconf(CInt(_SC_PHYS_PAGES)), sysconf(CInt(_SC_PAGESIZE)))
        return pages > 0 && pageByteCount > 0 ? pages * pageByteCount : poolByteCounts.upperBound * 4
    }

    private static func contents(of path: String) -> String? {
        try? String(contentsOfFile: path, encoding: .utf8)
    }
}

extension ProcessSizes: CustomStringConvertible {
    /// In one line, for the log.
    package var description: String {
        "pool \(poolByteCount >> 20) MiB, \(connectionCount) connections of \(descriptorCount) descriptors"
    }
}

/// What the control group of this process may have, as Linux tells it in files.
///
/// Source: cgroups(7); Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
enum ControlGroup {
    /// The least of the memory limits of the group and those above it, in bytes; `nil` where there is none.
    static func memoryByteCount(reading contents: (String) -> String?) -> Int? {
        let lines = contents("/proc/self/cgroup")?.split(separator: "\n") ?? []
        let found = lines.flatMap { line -> [Int] in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return [] }
            if fields[0] == "0", fields[1].isEmpty {
                return limits(below: "/sys/fs/cgroup", at: fields[2], in: "memory.max", contents)
            }
            guard fields[1].split(separator: ",").contains("memory") else { return [] }
            return limits(
                below: "/sys/fs/cgroup/memory", at: fields[2], in: "memory.limit_in_bytes", contents)
        }
        return found.min()
    }

    /// Those of the group and of each above it: a container sees its own as the root.
    private static func limits(
        below root: String, at group: Substring, in file: String, _ contents: (String) -> String?
    ) -> [Int] {
        var names = group.split(separator: "/")
        var limits: [Int] = []
        while true {
            let path = ([root] + names.map(String.init) + [file]).joined(separator: "/")
            let text = contents(path)?.trimmed
            // `max`, or more than a number can say, is none.
            if let limit = text.flatMap({ Int($0) }), limit > 0 { limits.append(limit) }
            guard names.popLast() != nil else { return limits }
        }
    }
}
