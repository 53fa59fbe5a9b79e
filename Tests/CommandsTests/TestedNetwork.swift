import Commands
import Foundation
import Logging
import Multiserver
import NIOCore
import NIOPosix
import Node
import SecretHandshake
import ServiceLifecycle
import TypedSodium

/// A portal on the loopback interface, an endpoint behind it, and the home folder of somebody who dials.
struct TestedNetwork: Sendable {
    /// The portal's address with its port.
    let portal: PeerAddress
    /// The endpoint's address at the portal.
    let target: TunnelAddress
    /// The caller's home folder.
    let home: String
    /// The caller's id.
    let caller: PublicKey

    /// Runs both, then `body`, then ends both in order.
    ///
    /// - Parameters:
    ///   - allowsCaller: whether the endpoint lets the caller in.
    ///   - body: what to do with them.
    /// - Throws: what `body` throws, or the reason why they did not start.
    static func run(
        allowsCaller: Bool = true, _ body: @escaping @Sendable (TestedNetwork) async throws -> Void
    ) async throws {
        let folder = TemporaryPath()
        let id = await CommandRun("id", "--home", folder.path).output.dropLast()
        let caller = try PublicKey(id: String(id))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let logger = LogOutput.logger(level: .error)
        let (ready, isReady) = AsyncStream.makeStream(of: PeerAddress.self)
        let portal = try PortalService(portalConfiguration(), group: group, logger: logger) {
            for address in $0 { isReady.yield(address) }
        }
        try await within(portal, logger) {
            guard let address = await first(of: ready) else { throw CancellationError() }
            let (announced, isAnnounced) = AsyncStream.makeStream(of: TunnelAddress.self)
            var settings = Settings()
            settings.portals = [address]
            settings.allow = allowsCaller ? [caller] : [address.key]
            let endpoint = EndpointService(
                .init(identity: try .random(), settings: settings), group: group, logger: logger
            ) { if case .tunnel(let tunnel) = $0 { isAnnounced.yield(tunnel) } }
            try await within(endpoint, logger) {
                guard let target = await first(of: announced) else { throw CancellationError() }
                try await body(
                    TestedNetwork(portal: address, target: target, home: folder.path, caller: caller))
            }
        }
        try await group.shutdownGracefully()
    }

    static func portalConfiguration() throws -> PortalService.Configuration {
        var settings = Settings()
        settings.listen = [try ListenAddress("127.0.0.1:0")]
        return .init(identity: try .random(), settings: settings)
    }

    static func first<Element: Sendable>(of stream: AsyncStream<Element>) async -> Element? {
        for await element in stream { return element }
        return nil
    }

    /// Runs a service for as long as `body` takes.
    static func within(
        _ service: any Service, _ logger: Logger, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let services = ServiceGroup(services: [service], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await services.run() }
            let result: Result<Void, any Error>
            do {
                result = .success(try await body())
            } catch {
                result = .failure(error)
            }
            await services.triggerGracefulShutdown()
            try await tasks.waitForAll()
            try result.get()
        }
    }

    /// Runs a command of the caller.
    func command(_ arguments: String...) async -> CommandRun {
        await CommandRun(arguments + ["--home", home])
    }

    /// Runs `cway call` through the tunnel.
    func call(_ arguments: String...) async -> CommandRun {
        await CommandRun(
            ["call", "--home", home, "--portal", portal.description, target.description] + arguments)
    }
}
