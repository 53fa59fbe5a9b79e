import TypedSodium

/// Signs a sentence, and looks at the signature with the public key alone.
public func signAndVerify(_ sentence: String) throws(SodiumError) -> Bool {
    let identity = try Identity.random()
    let bytes = Array(sentence.utf8)
    let signature = identity.sign(bytes.span)
    return identity.publicKey.verifies(signature, of: bytes.span)
}
