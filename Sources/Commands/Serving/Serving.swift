internal import Glibc
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Node
internal import ServiceLifecycle
internal import Transport
internal import UnixSignals

/// Runs services until SIGINT or SIGTERM, or the end of their terminal, then lets them close in order.
enum Serving {
    /// How long closing in order may take before the process ends without.
    static let shutdownTime = Duration.seconds(5)

    /// Runs the services that `services` makes on that many event loops, one per core where `threads` is `nil`.
    ///
    /// What they print is written by a thread of its own. With a `reload`, SIGHUP has it run where there is no terminal;
    /// otherwise SIGHUP ends the services too. The service manager hears that they are ready from themselves, or with the
    /// words of `readyAtStart`.
    ///
    /// - Throws: ``CommandFailure``.
    static func run(
        threads: Int?, logger: Logger, _ options: ServingOptions, reload: SettingsReload? = nil,
        readyAtStart words: String? = nil, shutdownTime: Duration = shutdownTime,
        _ services: (any EventLoopGroup) async throws -> [any Service]
    ) async throws {
        let output = ServingOutput()
        let environment = output.taking(from: CommandEnvironment.current)
        let result: Result<Void, any Error> = await CommandEnvironment.$current.withValue(environment) {
            do {
                return .success(
                    try await run(
                        threads: threads, logger: logger, options, reload, words, shutdownTime,
                        beside: output,
                        services))
            } catch {
                return .failure(error)
            }
        }
        do throws(CommandFailure) {
            try await output.finish()
        } catch {
            // What has ended the services says more.
            try result.get()
            throw error
        }
        try result.get()
    }

    private static func run(
        threads: Int?, logger: Logger, _ options: ServingOptions, _ reload: SettingsReload?,
        _ words: String?, _ shutdownTime: Duration, beside output: ServingOutput,
        _ services: (any EventLoopGroup) async throws -> [any Service]
    ) async throws {
        let group = try EventLoops.make(threads ?? System.coreCount)
        // Its debug lines describe the services with all that they hold, which is nobody's business.
        var lifecycleLogger = Logger(label: "cway.lifecycle")
        lifecycleLogger.logLevel = .warning
        do {
            var watched = try await services(group).map {
                ServiceGroupConfiguration.ServiceConfiguration(
                    service: $0, successTerminationBehavior: .ignore)
            }
            watched.append(.init(service: MemoryReturn(), successTerminationBehavior: .ignore))
            let manager = ServiceManager.ofProcess
            if let complaint = manager.complaint { logger.warning("\(complaint)") }
            watched.append(
                .init(
                    service: ServiceNotices(to: manager, of: group, readyAtStart: words),
                    successTerminationBehavior: .ignore))
            watched.append(.init(service: output, successTerminationBehavior: .ignore))
            if options.untilInputEnds {
                watched.append(
                    .init(service: InputWatch(), successTerminationBehavior: .gracefullyShutdownGroup))
            }
            var endings: [UnixSignal] = [.sigint, .sigterm]
            if let reload, HangUp.ofProcess() == .reloads {
                watched.append(
                    .init(service: await HangUpWatch(reload), successTerminationBehavior: .ignore))
            } else if !HangUp.isIgnored() {
                endings.append(.sighup)
            }
            var configuration = ServiceGroupConfiguration(
                services: watched, gracefulShutdownSignals: endings, logger: lifecycleLogger)
            configuration.maximumGracefulShutdownDuration = shutdownTime
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            try? await group.shutdownGracefully()
            throw CommandFailure(servingError: error)
        }
        try? await group.shutdownGracefully()
    }
}

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
