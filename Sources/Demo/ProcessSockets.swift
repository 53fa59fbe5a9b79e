internal import FoundationEssentials
internal import Glibc

/// Asks the system for the TCP sockets of a process.
///
/// Source: proc(5), `/proc/PID/fd` and `/proc/net/tcp`; state 01 is ESTABLISHED, 0A is LISTEN.
enum ProcessSockets {
    /// On how many ports it listens; `nil` where the system does not tell.
    static func listeningCount(of process: Int32) -> Int? {
        lines(of: process, inState: "0A")?.count
    }

    /// The ports at the other ends of its connections; `nil` where the system does not tell.
    static func remotePorts(of process: Int32) -> Set<Int>? {
        lines(of: process, inState: "01").map { lines in
            Set(lines.compactMap { $0[2].split(separator: ":").last.flatMap { Int($0, radix: 16) } })
        }
    }

    private static func lines(of process: Int32, inState state: String) -> [[Substring]]? {
        let folder = "/proc/\(process)/fd"
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder),
            case let tables = ["tcp", "tcp6"].compactMap({ text(at: "/proc/\(process)/net/\($0)") }),
            !tables.isEmpty
        else { return nil }
        let own = Set(
            names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") }
        )
        return tables.flatMap { $0.split(separator: "\n") }.map { $0.split(separator: " ") }.filter {
            fields in
            fields.count > 9 && fields[3] == state && own.contains("socket:[\(fields[9])]")
        }
    }

    /// All of a file that tells no size: in many reads, for one brings a page at most.
    private static func text(at path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var (bytes, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 64 << 10))
        while case let count = unsafe read(descriptor, &buffer, buffer.count), count > 0 {
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
