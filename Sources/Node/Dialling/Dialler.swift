package import Keyring
package import Logging
package import NIOCore
internal import TypedSodium

/// Reaches one destination as often as wanted, and keeps what the keyring knows of it up to date on the way.
package struct Dialler: Sendable {
    /// Who dials.
    package let caller: Caller
    /// Finds the ways.
    package let directory: RouteResolver
    /// Whom to reach.
    package let destination: Destination
    /// Where a friend's grants go; `nil` for a node without one.
    package let keyring: Keyring?
    /// Where to log.
    package let logger: Logger

    /// Puts the parts together.
    package init(
        caller: Caller, directory: RouteResolver, destination: Destination, keyring: Keyring?, logger: Logger
    ) {
        self.caller = caller
        self.directory = directory
        self.destination = destination
        self.keyring = keyring
        self.logger = logger
    }

    /// Dials along the ways of this moment.
    ///
    /// - Throws: ``HopFailure``, or what ``Directory/route(to:)`` throws.
    package func connect(on eventLoop: any EventLoop) async throws -> PeerConnection {
        let route = try await Blocking.run { [directory, destination] in
            try directory.route(to: destination)
        }
        var connection = try await caller.connect(route, on: eventLoop)
        if let keyring, case .friend(let friend, _, _) = destination {
            let visit = FriendVisit(
                keyring: keyring, friend: friend, place: connection.dialled.place, logger: logger)
            connection.visit = Task { [connection] in await visit.run(over: connection) }
        }
        return connection
    }
}
