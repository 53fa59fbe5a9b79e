package import NIOCore
package import Node
internal import ServiceLifecycle

/// Tells the service manager that the process is ready, that its event loops turn, and that it begins to end.
package struct ServiceNotices: Service {
    private let manager: ServiceManager
    private let loops: [any EventLoop]
    private let words: String?

    /// Notices of the loops of a group; `words` are said as soon as these turn, or the services say themselves that they
    /// are ready.
    package init(to manager: ServiceManager, of group: any EventLoopGroup, readyAtStart words: String? = nil)
    {
        self.manager = manager
        loops = Array(group.makeIterator())
        self.words = words
    }

    /// Tells until the group shuts down.
    package func run() async throws {
        if let words {
            try await turn()
            manager.ready(words)
        }
        if let time = manager.watchdogTime {
            // The cancellation of a graceful shutdown ends the sleep.
            try? await cancelWhenGracefulShutdown {
                while true {
                    try await turn { manager.isAlive() }
                    try await Task.sleep(for: time / 2)
                }
            }
        } else {
            try? await gracefulShutdown()
        }
        manager.stopping()
    }

    /// Goes through every loop, one behind the other: one that hangs stops it, and so does a pool without a free thread.
    private func turn(_ body: @escaping @Sendable () -> Void = {}) async throws {
        for loop in loops.dropLast() { try await loop.submit {}.get() }
        try await loops.last?.submit(body).get()
    }
}
