internal import Foundation

/// What the system tells of the TCP connections of other processes.
///
/// Source: proc(5), `/proc/PID/fd` and `/proc/net/tcp`; state 01 is ESTABLISHED.
package enum SocketTable {
    /// The ports at the other ends of a process's connections.
    package static func remotePorts(of process: Int32) -> Set<UInt16> {
        let folder = "/proc/\(process)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let own = Set(
            names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") }
        )
        // In many reads: the table has no size.
        let file = FileHandle(forReadingAtPath: "/proc/\(process)/net/tcp")
        let table = String(decoding: (try? file?.readToEnd()) ?? Data(), as: UTF8.self)
        return Set(
            table.split(separator: "\n").compactMap { line in
                let fields = line.split(separator: " ")
                guard fields.count > 9, fields[3] == "01", own.contains("socket:[\(fields[9])]") else {
                    return nil
                }
                return fields[2].split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
            })
    }
}
