internal import Foundation

/// Asks the system for the TCP ports that a process listens on.
enum ListeningSockets {
    /// How many there are; `nil` where the system does not tell.
    ///
    /// Source: proc(5), `/proc/PID/fd` and `/proc/net/tcp`; state 0A is LISTEN.
    static func count(of process: Int32) -> Int? {
        let folder = "/proc/\(process)/fd"
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder),
            let tables = try? ["tcp", "tcp6"].map({ try lines(of: "/proc/\(process)/net/\($0)") })
        else { return nil }
        let own = Set(
            names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") }
        )
        return tables.joined().count { line in
            let fields = line.split(separator: " ")
            return fields.count > 9 && fields[3] == "0A" && own.contains("socket:[\(fields[9])]")
        }
    }

    private static func lines(of path: String) throws -> [Substring] {
        // Such files have no length, so they are read until they end.
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self).split(separator: "\n")
    }
}
