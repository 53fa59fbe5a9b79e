internal import Sodium

/// What is worked on in the place of something that is not there, so that the work takes the same time.
struct Decoy: Sendable {
    let key: PublicKey
    let agreementKey: AgreementPublicKey
    private let signature: Signature
    private let statement: [UInt8]

    static let shared = Decoy()

    private init() {
        let statement = [UInt8](repeating: 0, count: 96)
        self.statement = statement
        do {
            let identity = try Identity(seed: SecretKey(copying: [UInt8](repeating: 1, count: 32).span))
            key = identity.publicKey
            agreementKey = try identity.publicKey.agreementKey()
            signature = identity.sign(statement.span)
        } catch {
            preconditionFailure("a key pair of our own making is one")
        }
    }

    /// What a client might have shown.
    var authenticate: ClientAuthenticate { ClientAuthenticate(signature: signature, client: key) }

    /// Verifies a signature that is valid, to no end.
    func verify() { _ = key.verifies(signature, of: statement.span) }
}
