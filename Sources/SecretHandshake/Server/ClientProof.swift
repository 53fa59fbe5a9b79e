public import Sodium

/// A client's proof that was taken and not looked at, with all that it takes to look at it, on any thread.
///
/// The look costs two key agreements and two signatures, ours to answer with among them; it is the same work whatever is
/// wrong with the proof.
public struct ClientProof: ~Copyable, Sendable {
    private let step: AwaitingClientAuthenticate
    private let message: [UInt8]

    init(_ step: consuming AwaitingClientAuthenticate, message: [UInt8]) {
        self.step = step
        self.message = message
    }

    /// Opens the proof and verifies it, and prepares what is sent where the client is let in.
    ///
    /// - Throws: any ``HandshakeError``; everything secret is wiped then.
    public consuming func verify() throws(HandshakeError) -> ProvedClient {
        let message = message
        return try takeStep().prepare(message.span)
    }

    private consuming func takeStep() -> AwaitingClientAuthenticate { step }
}

/// A client that has proved who it is, for ``ServerHandshake/resume(with:)``, and our consent, which it has not got.
public struct ProvedClient: ~Copyable, Sendable {
    /// The key that the client owns.
    public let client: PublicKey
    private let acceptance: Acceptance

    init(_ step: consuming AwaitingDecision) {
        client = step.authenticate.client
        acceptance = step.accept()
    }

    consuming func takeAcceptance() -> Acceptance { acceptance }
}
