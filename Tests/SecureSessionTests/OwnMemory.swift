import Glibc
import TestSupport

/// Looks for bytes in all memory that this process can write.
enum OwnMemory {
    /// How often the bytes stand somewhere, the array itself and what this looks through not counted.
    static func count(of needle: [UInt8]) -> Int {
        let ranges = writableRanges()
        let memory = unsafe open("/proc/self/mem", O_RDONLY | O_CLOEXEC)
        guard memory >= 0 else { return -1 }
        defer { _ = close(memory) }
        var window = [UInt8](repeating: 0, count: 1 << 20)
        var count = 0
        for range in ranges {
            var start = range.lowerBound
            while start < range.upperBound {
                let wanted = min(window.count, range.upperBound - start)
                let readCount = unsafe window.withUnsafeMutableBytes { buffer in
                    unsafe pread(memory, buffer.baseAddress, wanted, off_t(start))
                }
                // A region that has gone meanwhile, or may not be read.
                guard readCount >= needle.count else { break }
                count += hits(of: needle, in: window, upTo: readCount, at: start)
                // Windows overlap, so that nothing is missed between two.
                start +=
                    readCount == wanted && readCount == window.count ? readCount - needle.count : readCount
            }
        }
        unsafe window.withUnsafeMutableBytes {
            _ = unsafe memset($0.baseAddress.unsafelyUnwrapped, 0, $0.count)
        }
        return count
    }

    private static func hits(
        of needle: [UInt8], in window: [UInt8], upTo count: Int, at address: Int
    ) -> Int {
        unsafe window.withUnsafeBytes { bytes in
            unsafe needle.withUnsafeBytes { pattern in
                guard let start = bytes.baseAddress, let wanted = pattern.baseAddress else { return 0 }
                let own = [Int(bitPattern: start), Int(bitPattern: wanted)]
                let lengths = [bytes.count, pattern.count]
                var (found, offset) = (0, 0)
                while offset + needle.count <= count,
                    let hit = unsafe memchr(
                        start + offset, Int32(needle[0]), count - needle.count - offset + 1)
                {
                    let place = Int(bitPattern: hit) - Int(bitPattern: start)
                    offset = place + 1
                    guard unsafe memcmp(hit, wanted, needle.count) == 0 else { continue }
                    let isOwn = zip(own, lengths).contains { ($0..<$0 + $1).contains(address + place) }
                    if !isOwn { found += 1 }
                }
                return found
            }
        }
    }

    /// Private memory that can be written: heap, stacks, globals.
    private static func writableRanges() -> [Range<Int>] {
        let file = unsafe open("/proc/self/maps", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { _ = close(file) }
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe piece.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            text += piece.prefix(count)
        }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 1, fields[1] == "rw-p" else { return nil }
            let ends = fields[0].split(separator: "-").compactMap { Int($0, radix: 16) }
            return ends.count == 2 ? ends[0]..<ends[1] : nil
        }
    }
}
