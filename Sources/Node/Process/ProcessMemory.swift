internal import CMalloc
internal import FoundationEssentials
internal import Glibc

/// How the process deals with memory that it has freed: kept while it will be wanted again, given back when not.
///
/// A relay allocates and frees buffers of up to 256 KiB for every read. The C library by itself gives the last of
/// them back to the system and asks for it anew, with 64 page faults each time; or it does not, as the heap happens
/// to lie: one endpoint took 2.8 s of CPU per GB, the next one 4.8. And what lies between other things it never
/// gives back, so that a portal keeps what its busiest minute took.
package enum ProcessMemory {
    /// As much may be free at the end of each heap, in bytes; there is one for every thread that allocates.
    private static let trimThreshold: Int32 = 8 << 20
    /// What is larger is the system's own business, in bytes: no buffer of a connection is.
    private static let mapThreshold: Int32 = 4 << 20

    /// Keeps freed buffers for the next ones.
    package static func keepBuffers() {
        // Where the allocator takes no advice the process is slower and nothing else.
        _ = shim_malloc_keep(trimThreshold, mapThreshold)
    }

    /// Gives every whole page back that holds nothing.
    package static func giveBack() { _ = shim_malloc_trim() }

    /// How much memory the process has, in bytes, what it shares with files included; 0 where the system does not tell.
    package static var residentByteCount: Int { (pages.first ?? 0) * Int(getpagesize()) }

    /// Pages that are resident, and those of them that are a file's: programs, and the keyring.
    private static var pages: [Int] {
        let sizes = (try? String(contentsOfFile: "/proc/self/statm", encoding: .ascii)) ?? ""
        return sizes.split(separator: " ").prefix(3).dropFirst().compactMap { Int($0) }
    }

    /// How much of the memory that the process has is not used, in bytes; 0 where the system does not tell.
    package static var unusedByteCount: Int {
        let pages = pages
        guard pages.count == 2 else { return 0 }
        return max(0, (pages[0] - pages[1]) * Int(getpagesize()) - Int(clamping: shim_malloc_used()))
    }
}
