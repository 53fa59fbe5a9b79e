internal import Connection
package import NIOCore

/// The handshake of a portal's connection: until when what is awaited, and what it needs before it goes on.
///
/// Where many connect, a message of the peer is answered when its turn has come, and on a connection that has no place
/// none before it was drawn. Who has proved who it is and gets no place is turned away: it hears why, whatever it calls.
package struct PortalHandshake {
    /// What the connection cannot go on without.
    package enum Wish: Equatable {
        /// To be drawn of those that are on trial.
        case draw
        /// A turn on the event loop.
        case turn
    }

    /// Whether there is somebody who grants wishes.
    enum Admission {
        /// There is not, and none is needed.
        case open
        /// There is, and the connection has a place.
        case inTurn
        /// There is, and the connection is tried.
        case onTrial
    }

    /// How long a connection on trial has for its first message, how long it may wait to be drawn, and how long it has
    /// for the next message then.
    static let (trialTime, drawTime, proofTime) = (
        TimeAmount.seconds(1), TimeAmount.seconds(2), TimeAmount.seconds(3)
    )

    private enum Place {
        case free
        /// On trial, before and after its first message.
        case silent
        case inLot
        /// Every message needs a turn.
        case inTurn(isAsked: Bool)
        /// There is no place, now that the peer is known.
        case turnedAway
    }

    private var place: Place
    private var hasTurn = false
    private var wish: Wish?
    /// When it has taken too long.
    package private(set) var deadline: NIODeadline

    init(_ admission: Admission, time: TimeAmount, at now: NIODeadline) {
        switch admission {
        case .open: (place, deadline) = (.free, now + time)
        case .inTurn: (place, deadline) = (.inTurn(isAsked: false), now + time)
        case .onTrial: (place, deadline) = (.silent, now + min(time, Self.trialTime))
        }
    }

    /// Whether a message of the peer that is here may be looked at.
    var mayGoOn: Bool {
        switch place {
        case .free, .turnedAway: true
        case .silent, .inLot, .inTurn: hasTurn
        }
    }

    /// Whether the peer is told that there is no place for it, whatever it calls.
    var isTurningAway: Bool {
        guard case .turnedAway = place else { return false }
        return true
    }

    /// The peer has proved who it is, and there is no place for it: it hears that until then.
    mutating func turnAway(until time: NIODeadline) {
        place = .turnedAway
        deadline = time
    }

    /// A message is here and has to wait: ``takeWish()`` says what for, unless that was said already.
    mutating func messageArrived(at now: NIODeadline) {
        switch place {
        case .free, .inLot, .inTurn(isAsked: true), .turnedAway: break
        case .silent:
            place = .inLot
            deadline = now + Self.drawTime
            wish = .draw
        case .inTurn(isAsked: false):
            place = .inTurn(isAsked: true)
            wish = .turn
        }
    }

    /// What is wished for, said once.
    mutating func takeWish() -> Wish? {
        defer { wish = nil }
        return wish
    }

    /// The connection was drawn.
    mutating func drawn(at now: NIODeadline) {
        guard case .inLot = place else { return }
        place = .inTurn(isAsked: false)
        deadline = now + Self.proofTime
    }

    /// It is its turn, until ``endTurn()``.
    mutating func beginTurn() { hasTurn = true }

    mutating func endTurn() {
        hasTurn = false
        if case .inTurn = place { place = .inTurn(isAsked: false) }
    }
}

extension PortalHandshake: TimedHandshake {}
