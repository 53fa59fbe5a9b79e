internal import NIOPosix

/// Runs what waits for the disk where nothing else has to wait for it.
enum Blocking {
    /// Runs `body` on a thread that may block.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await NIOThreadPool.singleton.runIfActive(body)
    }
}
