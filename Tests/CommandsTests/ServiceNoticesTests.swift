import Commands
import Foundation
import Glibc
import Logging
import NIOCore
import NIOPosix
import Node
import PeerSupport
import ServiceLifecycle
import Testing

@Suite("Notices to the service manager")
struct ServiceNoticesTests {
    private let socket: NoticeSocket
    private let manager: ServiceManager

    init() throws {
        socket = try NoticeSocket("@cway-tests-\(UUID().uuidString)")
        manager = ServiceManager(
            ["NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "40000"], processID: getpid())
    }

    /// Runs the notices of some loops beside a body, and shuts them down in order behind it.
    ///
    /// Before the other tests of the run: a pool without a free thread stops the notices, as it is meant to.
    private func run(
        _ group: MultiThreadedEventLoopGroup, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let notices = ServiceNotices(to: manager, of: group, readyAtStart: "serves")
        let services = ServiceGroup(services: [notices], logger: Logger(label: "test"))
        try await Task(priority: .high) {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await services.run() }
                try await body()
                await services.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
        }.value
    }

    @Test("say that it is ready, lives, and ends")
    func order() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        try await run(group) { [socket] in _ = try await socket.messages(3, with: "WATCHDOG=1") }
        _ = try await socket.messages(with: "STOPPING=1")
        #expect(socket.received.first == "READY=1\nSTATUS=serves")
        #expect(socket.received.last == "STOPPING=1\nSTATUS=closing in order")
        try await group.shutdownGracefully()
    }

    @Test("stop while one of the event loops hangs, and go on behind it")
    func hangs() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 3)
        try await run(group) { [socket] in
            _ = try await socket.messages(2, with: "WATCHDOG=1")
            let loops = Array(group.makeIterator())
            let (entered, gate) = (Watched(false), DispatchSemaphore(value: 0))
            loops[1].execute {
                entered.update { $0 = true }
                gate.wait()
            }
            try await entered.first { $0 ? () : nil }
            // One may have been behind that loop already.
            let count = socket.received.count + 1
            // Ten times a ping would have been due, by the clock of a loop that runs.
            for _ in 0..<10 { try await loops[0].scheduleTask(in: .milliseconds(20)) {}.futureResult.get() }
            #expect(socket.received.count <= count, "a loop hangs: \(socket.received.count) of \(count)")
            gate.signal()
            _ = try await socket.messages(count + 3, with: "WATCHDOG=1")
        }
        try await group.shutdownGracefully()
    }
}
