internal import Logging
internal import Multiserver
internal import NIOCore
internal import NIOPosix
internal import Node

/// A connection that lives as long as a command's work with it.
enum Dialled {
    /// Dials, hands the connection to `work`, and says goodbye whatever came of it; signals end it in order.
    ///
    /// A cancelled `work` finds its connection closed, so whatever it waits for fails. Where `asksAgain` says so, work
    /// that came to ``HopFailure/busy(_:)`` is begun again with another connection, as ``BusyTime`` says.
    ///
    /// - Throws: ``CommandFailure`` with the hop that failed, or what `work` throws.
    static func run<Value: Sendable>(
        _ plan: DialPlan, asksAgain: Bool = false,
        _ work: @escaping @Sendable (PeerConnection) async throws -> Value
    ) async throws -> Value {
        try await Interruption.run {
            let group = try EventLoops.make(1)
            let result: Result<Value, any Error>
            do {
                let value =
                    asksAgain
                    ? try await BusyTime().run { _ in try await once(plan, work, on: group.next()) }
                    : try await once(plan, work, on: group.next())
                result = .success(value)
            } catch is DiallingCancelled {
                // Dialling goes on for a while in the group's thread, which ends with the process.
                throw CancellationError()
            } catch {
                result = .failure((error as? HopFailure).map { CommandFailure($0) } ?? error)
            }
            try? await group.shutdownGracefully()
            return try result.get()
        }
    }

    private struct DiallingCancelled: Error {}

    private static func once<Value: Sendable>(
        _ plan: DialPlan, _ work: @escaping @Sendable (PeerConnection) async throws -> Value,
        on eventLoop: any EventLoop
    ) async throws -> Value {
        let connection: PeerConnection
        do {
            connection = try await connect(plan, on: eventLoop)
        } catch is CancellationError {
            throw DiallingCancelled()
        } catch {
            // Not as a hop's failure: dialling has asked again itself, and is not begun again for that.
            throw CommandFailure(dialError: error)
        }
        plan.logger.debug("connected", metadata: ["target": "\(plan.dialler.destination.target.id)"])
        let result = await outcome(of: work, with: connection)
        await connection.close()
        return try result.get()
    }

    private static func outcome<Value: Sendable>(
        of work: @Sendable (PeerConnection) async throws -> Value, with connection: PeerConnection
    ) async -> Result<Value, any Error> {
        await withTaskCancellationHandler {
            do {
                return .success(try await work(connection))
            } catch {
                return .failure(error)
            }
        } onCancel: {
            Task { await connection.close() }
        }
    }

    /// Dials, and is not waited for any more once the task is cancelled.
    private static func connect(
        _ plan: DialPlan, on eventLoop: any EventLoop
    ) async throws -> PeerConnection {
        let (connections, continuation) = AsyncThrowingStream.makeStream(of: PeerConnection.self)
        Task {
            do {
                let connection = try await plan.dialler.connect(on: eventLoop)
                if case .terminated = continuation.yield(connection) { await connection.close() }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        for try await connection in connections { return connection }
        throw CancellationError()
    }
}
