/// How a request is answered: by one reply, or by a stream in one or both directions.
public enum CallKind: String, Sendable {
    /// One reply.
    case async
    /// A stream from the callee to the caller.
    case source
    /// A stream from the caller to the callee.
    case sink
    /// Streams both ways; an end from either side closes both.
    case duplex

    var isStream: Bool { self != .async }
}

/// What a manifest says of a method: a kind of call, or `sync`, which is called like `async`.
public enum MethodKind: String, Sendable {
    /// Answered at once in JavaScript; no different from ``async`` on the wire.
    case sync
    /// One reply.
    case async
    /// A stream from the callee to the caller.
    case source
    /// A stream from the caller to the callee.
    case sink
    /// Streams both ways.
    case duplex

    /// How a method of this kind is called.
    public var callKind: CallKind { CallKind(rawValue: rawValue) ?? .async }
}
