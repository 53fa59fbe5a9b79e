internal import TypedSodium
internal import Synchronization

/// What a connection has of a portal's ``ConnectionLimits``, until it is given back.
package final class ConnectionSeat: Sendable {
    /// What the limits want of the connection, from any thread.
    package struct Calls: Sendable {
        /// Whether nobody would miss it.
        var isIdle: @Sendable () -> Bool
        /// It was drawn: it may go on with its handshake.
        var drawn: @Sendable () -> Void
        /// It has to go, for somebody whose source has less.
        var giveWay: @Sendable () -> Void

        package init(
            isIdle: @escaping @Sendable () -> Bool, drawn: @escaping @Sendable () -> Void,
            giveWay: @escaping @Sendable () -> Void
        ) {
            self.isIdle = isIdle
            self.drawn = drawn
            self.giveWay = giveWay
        }
    }

    private struct Connection {
        var calls: Calls?
        var hasToGo = false
    }

    let number: Int
    /// Where the connection comes from.
    package let source: SourceAddress
    /// Why it has no place, and has to be a member's to get one; `nil` where it has one.
    package let refusal: ConnectionPlaces.Refusal?
    private let limits: ConnectionLimits
    private let connection = Mutex(Connection())

    init(
        _ number: Int, from source: SourceAddress, onTrialFor refusal: ConnectionPlaces.Refusal?,
        in limits: ConnectionLimits
    ) {
        self.number = number
        self.source = source
        self.refusal = refusal
        self.limits = limits
    }

    /// Whether it is only tried.
    var isOnTrial: Bool { refusal != nil }

    /// A member was recognised; whether it may stay.
    func keep(as member: PublicKey) -> Bool { limits.keep(self, as: member) }

    /// Gives everything back.
    package func leave() { limits.leave(self) }

    // MARK: What the limits want

    /// Says what to call; at once, where it has to go already.
    package func attach(_ calls: Calls) {
        let hasToGo = connection.withLock { connection in
            connection.calls = calls
            return connection.hasToGo
        }
        if hasToGo { calls.giveWay() }
    }

    var isIdle: Bool { connection.withLock(\.calls)?.isIdle() == true }

    func drawn() { connection.withLock(\.calls)?.drawn() }

    func giveWay() {
        let calls = connection.withLock { connection in
            connection.hasToGo = true
            return connection.calls
        }
        calls?.giveWay()
    }
}
