package import Keyring
package import Logging
internal import Multiserver
package import NIOCore
internal import TypedSodium

/// Reaches one destination as often as wanted, and keeps what the keyring knows of it up to date on the way.
package struct Dialler: Sendable {
    /// The task was cancelled while it dialled; dialling goes on for a while on the event loop, and ends with a goodbye.
    package struct Abandoned: Error {}

    /// Dialling failed, not the work with a connection.
    private struct NotConnected: Error {
        let cause: any Error
    }

    package let caller: Caller
    /// Finds the ways.
    package let resolver: RouteResolver
    package let destination: Destination
    /// Where a friend's grants go; `nil` for a node without one.
    package let keyring: Keyring?
    package let logger: Logger

    package init(
        caller: Caller, resolver: RouteResolver, destination: Destination, keyring: Keyring?, logger: Logger
    ) {
        self.caller = caller
        self.resolver = resolver
        self.destination = destination
        self.keyring = keyring
        self.logger = logger
    }

    /// Dials along the ways of this moment, and is not waited for any more once the task is cancelled.
    ///
    /// - Throws: ``HopFailure``, ``Abandoned``, or what ``RouteResolver/route(to:)`` throws.
    package func connect(on eventLoop: any EventLoop) async throws -> PeerConnection {
        try await connect(avoiding: nil, on: eventLoop)
    }

    /// The same, not at that address where its portal has another one.
    func connect(avoiding address: DialAddress?, on eventLoop: any EventLoop) async throws -> PeerConnection {
        let (connections, continuation) = AsyncThrowingStream.makeStream(of: PeerConnection.self)
        Task {
            do {
                let connection = try await dial(avoiding: address, on: eventLoop)
                if case .terminated = continuation.yield(connection) { await connection.close() }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        for try await connection in connections { return connection }
        throw Abandoned()
    }

    /// Dials, hands the connection to `work`, and says goodbye whatever came of it.
    ///
    /// A cancelled `work` finds its connection closed, so whatever it waits for fails. Where `asksAgain` says so, work
    /// that came to ``HopFailure/busy(_:)`` is begun again with another connection, as ``BusyTime`` says.
    ///
    /// - Throws: what ``connect(on:)`` and `work` throw.
    package func withConnection<Value: Sendable>(
        on eventLoop: any EventLoop, asksAgain: Bool = false,
        _ work: @Sendable (PeerConnection) async throws -> Value
    ) async throws -> Value {
        do {
            guard asksAgain else { return try await once(work, on: eventLoop) }
            return try await BusyTime().run { _ in try await once(work, on: eventLoop) }
        } catch let failure as NotConnected {
            throw failure.cause
        }
    }

    private func once<Value: Sendable>(
        _ work: @Sendable (PeerConnection) async throws -> Value, on eventLoop: any EventLoop
    ) async throws -> Value {
        let connection: PeerConnection
        do {
            connection = try await connect(on: eventLoop)
        } catch {
            // Not as a hop's failure: dialling has asked again itself, and is not begun again for that.
            throw NotConnected(cause: error)
        }
        logger.debug("connected", metadata: ["target": "\(destination.target.id)"])
        let result: Result<Value, any Error> = await withTaskCancellationHandler {
            do {
                return .success(try await work(connection))
            } catch {
                return .failure(error)
            }
        } onCancel: {
            Task { await connection.close() }
        }
        await connection.close()
        return try result.get()
    }

    private func dial(
        avoiding address: DialAddress?, on eventLoop: any EventLoop
    ) async throws -> PeerConnection {
        let route = try await Blocking.run { [resolver, destination] in
            try resolver.route(to: destination)
        }
        var connection = try await caller.connect(route, avoiding: address, on: eventLoop)
        if let keyring, case .friend(let friend, _, _) = destination {
            let visit = FriendVisit(
                keyring: keyring, friend: friend, place: connection.dialled.place, logger: logger)
            connection.visit = Task { [connection] in await visit.run(over: connection) }
        }
        return connection
    }
}
