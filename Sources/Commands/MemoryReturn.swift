internal import Node
internal import ServiceLifecycle
internal import Transport

/// Gives memory back that was free for a while, for processes that serve for months.
struct MemoryReturn: Service {
    /// How often it looks.
    private static let interval = Duration.seconds(10)
    /// As much may stay, in bytes: the program itself, and the buffers of a few busy connections.
    private static let allowance = 16 << 20

    func run() async throws {
        // The cancellation of a graceful shutdown ends the sleep.
        try? await cancelWhenGracefulShutdown {
            var before = 0
            // What could not be given back the last time: free bytes on pages that others use.
            var kept = 0
            while true {
                try await Task.sleep(for: Self.interval)
                let unused = ProcessMemory.unusedByteCount
                // Twice in a row: what is free between two bursts is wanted again.
                let settled = min(unused, before)
                before = unused
                kept = min(kept, settled)
                guard settled > kept + Self.allowance else { continue }
                ProcessMemory.giveBack()
                kept = ProcessMemory.unusedByteCount
            }
        }
    }
}
