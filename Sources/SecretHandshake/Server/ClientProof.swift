public import Sodium

/// A client's proof that was taken and not looked at, with all that it takes to look at it, on any thread.
///
/// The look costs two key agreements and a signature; it is the same work whatever is wrong with the proof.
public struct ClientProof: ~Copyable, Sendable {
    private let step: AwaitingClientAuthenticate
    private let message: [UInt8]

    init(_ step: consuming AwaitingClientAuthenticate, message: [UInt8]) {
        self.step = step
        self.message = message
    }

    /// Opens the proof and verifies it.
    ///
    /// - Throws: any ``HandshakeError``; everything secret is wiped then.
    public consuming func verify() throws(HandshakeError) -> ProvedClient {
        let message = message
        return ProvedClient(try takeStep().receive(message.span))
    }

    private consuming func takeStep() -> AwaitingClientAuthenticate { step }
}

/// A client that has proved who it is, for ``ServerHandshake/resume(with:)``.
public struct ProvedClient: ~Copyable, Sendable {
    private let step: AwaitingDecision

    init(_ step: consuming AwaitingDecision) { self.step = step }

    /// The key that the client owns.
    public var client: PublicKey { step.authenticate.client }

    consuming func takeStep() -> AwaitingDecision { step }
}
