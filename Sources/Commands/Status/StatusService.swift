internal import Glibc
internal import Logging
internal import NIOCore
internal import Node
internal import ServiceLifecycle
internal import Stamp
internal import Watching

/// Says how this process is to `cway status`, while it serves; serving goes on where that cannot be had.
struct StatusService: Service {
    private let role: String
    private let home: Home
    private let group: any EventLoopGroup
    private let logger: Logger
    private let complete: @Sendable (inout StatusReport) async -> Void

    /// Says how the process is in that role; `complete` adds what the role has to say.
    init(
        _ role: String, in home: Home, group: any EventLoopGroup, logger: Logger,
        complete: @escaping @Sendable (inout StatusReport) async -> Void
    ) {
        self.role = role
        self.home = home
        self.group = group
        self.logger = logger
        self.complete = complete
    }

    func run() async throws {
        let since = WallClock.seconds()
        let loops = LoopWatch(group)
        let server: StatusServer
        do {
            server = try await StatusServer.start(as: role, inHome: home.path, group: group) {
                [role, complete] in
                var report = StatusReport(
                    process: ProcessReport(role: role, since: since, loads: loops.loads),
                    errors: RecentErrors.ofProcess.reports)
                await complete(&report)
                return report
            }
        } catch {
            logger.warning(
                "cway status will not see this process", metadata: ["reason": "\(ErrorWords.text(of: error))"]
            )
            try? await gracefulShutdown()
            return
        }
        // The cancellation of a graceful shutdown ends the sleep.
        try? await cancelWhenGracefulShutdown {
            while true {
                loops.probe()
                try await Task.sleep(for: .seconds(1))
            }
        }
        await server.close()
    }
}

extension ProcessReport {
    /// This process, in that role.
    init(role: String, since: UInt64, loads: [LoopWatch.Load]) {
        self.init(
            role: role, id: getpid(), version: Version.text, since: since,
            memoryByteCount: ProcessMemory.residentByteCount, descriptorCount: ProcessDescriptors.openCount,
            descriptorLimit: ProcessDescriptors.limit,
            loops: loads.map {
                LoopReport(
                    load: ($0.share * 1000).rounded() / 1000,
                    longestDelayMilliseconds: ($0.longestDelay * 100_000).rounded() / 100)
            })
    }
}
