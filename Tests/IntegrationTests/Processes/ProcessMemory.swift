import Foundation
import Glibc
import PeerSupport

/// Everything that a process may write to, as Linux shows it to who started the process.
///
/// Source: proc_pid_maps(5) and proc_pid_mem(5).
struct ProcessMemory {
    /// A region cannot be read that should be.
    struct Failure: Error {
        let call: String
        let code: Int32
    }

    /// How much is looked through at a time.
    private static let pieceByteCount = 4 << 20

    private let process: CwayProcess

    init(of process: CwayProcess) { self.process = process }

    /// Which of some texts or keys occur; the process stands still meanwhile.
    func found(_ needles: [String: [UInt8]]) throws -> Set<String> {
        process.signal(SIGSTOP)
        defer { process.signal(SIGCONT) }
        let file = unsafe open("/proc/\(process.id)/mem", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Failure(call: "open", code: errno) }
        defer { close(file) }
        var found: Set<String> = []
        for region in try regions() {
            try search(region, in: file, for: needles, &found)
        }
        return found
    }

    private func regions() throws -> [Range<UInt64>] {
        // To its end, in many reads: `String(contentsOfFile:)` was seen to stop after the first, a page of the map.
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/\(process.id)/maps"))
        let map = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        return map.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 2)
            let bounds = fields[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
            guard bounds.count == 2, fields.count > 1, fields[1].hasPrefix("rw") else { return nil }
            return bounds[0]..<bounds[1]
        }
    }

    private func search(
        _ region: Range<UInt64>, in file: Int32, for needles: [String: [UInt8]], _ found: inout Set<String>
    ) throws {
        let overlap = needles.values.map(\.count).max() ?? 0
        var piece = [UInt8](repeating: 0, count: Self.pieceByteCount)
        var position = region.lowerBound
        while position < region.upperBound {
            let wanted = min(Self.pieceByteCount, Int(region.upperBound - position))
            let count = unsafe piece.withUnsafeMutableBytes { bytes in
                unsafe pread(file, bytes.baseAddress, wanted, off_t(position))
            }
            // Pages of a device, or of a file that has become shorter, are nobody's memory.
            guard count > 0 else { return }
            found.formUnion(piece.occurrences(of: needles, in: count))
            guard count == wanted, position + UInt64(count) < region.upperBound else {
                position += UInt64(count)
                continue
            }
            position += UInt64(count - overlap)
        }
    }
}

extension [UInt8] {
    /// The names of those that occur in the first bytes.
    func occurrences(of needles: [String: [UInt8]], in count: Int? = nil) -> Set<String> {
        let found = unsafe withUnsafeBytes { haystack in
            let searched = unsafe UnsafeRawBufferPointer(rebasing: haystack.prefix(count ?? haystack.count))
            return needles.filter { unsafe $0.value.occurs(in: searched) }
        }
        return Set(found.keys)
    }

    /// Whether it stands somewhere; C's functions do the work, because a debug build's loops would take minutes.
    private func occurs(in haystack: UnsafeRawBufferPointer) -> Bool {
        guard let first = first, let start = haystack.baseAddress else { return false }
        var offset = 0
        while haystack.count - offset >= count {
            guard let place = unsafe memchr(start + offset, Int32(first), haystack.count - offset) else {
                break
            }
            unsafe offset = UnsafeRawPointer(place) - start
            guard haystack.count - offset >= count else { break }
            if unsafe memcmp(start + offset, self, count) == 0 { return true }
            offset += 1
        }
        return false
    }
}

/// A secret or an id in the forms in which it might be left somewhere.
enum Traces {
    /// The bytes themselves, and their base64 text without its last digits, which depend on what follows.
    static func of(_ name: String, _ bytes: [UInt8]) -> [String: [UInt8]] {
        let text = Data(bytes).base64EncodedString().prefix(42)
        return ["\(name), raw": bytes, "\(name), base64": Array(text.utf8)]
    }
}
