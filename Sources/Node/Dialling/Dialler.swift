public import Keyring
public import Logging
public import NIOCore
internal import Sodium

/// Reaches one destination as often as wanted, and keeps what the keyring knows of it up to date on the way.
public struct Dialler: Sendable {
    /// Who dials.
    public let caller: Caller
    /// Finds the ways.
    public let directory: Directory
    /// Whom to reach.
    public let destination: Destination
    /// Where a friend's grants go; `nil` for a node without one.
    public let keyring: Keyring?
    /// Where to log.
    public let logger: Logger

    /// Puts the parts together.
    public init(
        caller: Caller, directory: Directory, destination: Destination, keyring: Keyring?, logger: Logger
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
    public func connect(on eventLoop: any EventLoop) async throws -> PeerConnection {
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
