import MuxRPC
import NIOCore
import SecureSession
import TypedSodium

/// Lets two ends find each other, and one greet the other; what is sent would go through a socket each.
public func converse(_ ada: Identity, _ bob: Identity) throws -> Reply? {
    let client = try SecureSession(
        dialling: bob.publicKey, as: ada, network: .scuttlebutt, manifest: [:])
    let server = SecureSession(answeringAs: bob, network: .scuttlebutt, manifest: ["greet": .async])
    var reply: Reply?
    while reply == nil {
        while let bytes = client.nextOutbound() { server.receive(bytes) }
        while let event = try server.next() {
            switch event {
            case .client: try server.accept()
            case .session(.request(let request)):
                try server.muxrpc.reply(to: request.number, with: "hello")
            default: break
            }
        }
        while let bytes = server.nextOutbound() { client.receive(bytes) }
        while let event = try client.next() {
            switch event {
            case .established: _ = try client.muxrpc.call(["greet"], [])
            case .session(.reply(_, let answer)): reply = answer
            default: break
            }
        }
    }
    return reply
}
