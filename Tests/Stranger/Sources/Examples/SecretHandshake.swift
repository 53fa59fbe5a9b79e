import SecretHandshake
import TypedSodium

/// Introduces two ends of one network to each other; the client knows the server's key beforehand.
///
/// Returns who each of them has proved to be, as the other one sees it.
public func shakeHands(_ ada: Identity, _ bob: Identity) throws -> (client: PublicKey, server: PublicKey)? {
    var client = try ClientHandshake(
        network: .scuttlebutt, identity: ada, server: bob.publicKey, ephemeral: .random())
    var server = ServerHandshake(network: .scuttlebutt, identity: bob, ephemeral: .random())

    guard case .send(let answer) = try server.receive(client.hello.span),
        case .send(let proof) = try client.receive(answer.span),
        case .decide(let caller) = try server.receive(proof.span)
    else { return nil }
    print("\(caller.bytes.array) has proved its key; for somebody unwelcome this would be `refuse()`")
    let acceptance = try server.accept()
    guard case .establish(let keys) = try client.receive(acceptance.message.span) else { return nil }
    return (client: acceptance.keys.peer, server: keys.peer)
}
