internal import NIOCore

/// The places of callers who have left behind their proof: kept until they would have been refused.
///
/// So nobody gets more looks in a second by leaving before the answer.
struct LeftPlaces {
    private var places: [SessionID: (place: HandshakePlace, until: NIODeadline)] = [:]
    private var due = DueTimes<SessionID>()

    /// When the first one is free again.
    var deadline: NIODeadline? {
        mutating get { due.first }
    }

    /// Keeps a place until a time, and until the proof was looked at.
    mutating func keep(
        _ place: HandshakePlace, of session: SessionID, until time: NIODeadline, isLookedAt: Bool
    ) {
        places[session] = (place, time)
        if isLookedAt { due[session] = time }
    }

    /// The proof of one who has left was looked at.
    mutating func looked(at session: SessionID, at now: NIODeadline) {
        if let until = places[session]?.until { due[session] = max(until, now) }
    }

    /// Frees those whose time has come.
    mutating func timeReached(_ now: NIODeadline) {
        for session in due.due(at: now) {
            due[session] = nil
            places[session] = nil
        }
    }

    /// The connection is over.
    mutating func removeAll() {
        places = [:]
        due = DueTimes()
    }
}
