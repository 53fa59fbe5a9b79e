internal import Connection

/// What an endpoint has too little of, so that somebody gives way.
package enum ScarceResource: String, Error, CaseIterable, Hashable, Sendable {
    /// Memory.
    case memory
    /// Places for streams.
    case streams
    /// Sockets of services.
    case sockets

    /// What the opener of a stream is told that gets none.
    var refusal: String {
        switch self {
        case .memory: ErrorText.heldTooMuch
        case .streams: ErrorText.tooManyStreams
        case .sockets: ErrorText.tooManySockets
        }
    }

    /// What is said on a stream that gives way.
    var farewell: String {
        switch self {
        case .memory: ErrorText.heldTooMuch
        case .streams, .sockets: ErrorText.gaveWay
        }
    }
}

/// What has to go because somebody who has less needs its place or its memory, on whichever connection of an endpoint.
package struct Displaced: Sendable {
    /// What has to go.
    enum What: Sendable {
        /// A session that only waits.
        case session
        /// A session that has brought more than others may have meanwhile.
        case heldSession
        /// One stream of it.
        case stream(StreamKey, for: ScarceResource)
    }

    /// Which of the endpoint's connections it is on.
    let connection: ConnectionNumber
    /// Which of its sessions it is in.
    let session: SessionID
    let what: What

    /// A session whose place another one takes.
    init(_ place: SessionPlace) {
        (connection, session, what) = (place.connection, place.session, .session)
    }

    /// The stream that is to go, where it is one.
    package var stream: StreamKey? {
        if case .stream(let key, for: _) = what { key } else { nil }
    }

    init(_ holding: Holding, for resource: ScarceResource) {
        connection = holding.place.connection
        session = holding.place.session
        what = holding.stream.map { .stream($0, for: resource) } ?? .heldSession
    }
}
