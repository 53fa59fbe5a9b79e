/// What a server that accepted a client sends, and goes on with.
@frozen
public struct Acceptance: ~Copyable, Sendable {
    /// The last message, 80 bytes, to be sent before anything of the session.
    public let message: [UInt8]
    /// The session.
    public let keys: SessionKeys
}
