package import MuxRPC
package import NIOCore
package import SecretHandshake
package import SecureSession
internal import Testing
package import TypedSodium

/// A peer with a real session, which keeps what it was told.
package final class SessionPeer: WirePeer {
    package let session: SecureSession
    package let key: PublicKey
    /// Calls of the portal.
    package private(set) var requests: [Request] = []
    package private(set) var replies: [RequestNumber: Reply] = [:]
    package private(set) var lateFailures: [RequestNumber: RemoteError] = [:]
    /// Bytes on streams, and the packets they came in.
    package private(set) var bytes: [StreamID: ByteBuffer] = [:]
    package private(set) var packets: [StreamID: [ByteBuffer]] = [:]
    /// JSON on streams.
    package private(set) var values: [StreamID: [JSONValue]] = [:]
    /// How streams ended: with an error's message, or plainly, with an empty one.
    package private(set) var ends: [StreamID: String] = [:]
    package private(set) var hasGoodbye = false
    package private(set) var hasEnded = false
    /// Whether pings are answered.
    package var answersPings = true

    private static let manifest: Manifest = ["tunnel.connect": .duplex, "tunnel.ping": .async]

    package init(
        _ identity: Identity, to portal: PublicKey, network: NetworkIdentifier, framing: Framing = .direct
    ) throws {
        key = identity.publicKey
        session = try SecureSession(
            dialling: portal, as: identity, network: network, manifest: Self.manifest, framing: framing)
    }

    /// The other side of a connection, which lets everybody in.
    package init(answeringAs identity: Identity, network: NetworkIdentifier) {
        key = identity.publicKey
        session = SecureSession(answeringAs: identity, network: network, manifest: Self.manifest)
    }

    /// Takes away the bytes that have come on a stream.
    package func takeBytes(on stream: StreamID) -> ByteBuffer? { bytes.removeValue(forKey: stream) }

    package func nextOutbound() -> ByteBuffer? { session.nextOutbound() }

    package func receive(_ bytes: ByteBuffer) {
        session.receive(bytes)
        do {
            while let event = try session.next() {
                if case .client = event { try session.accept() }
                note(event)
            }
        } catch {
            Issue.record("the portal sent what a session does not take: \(error)")
        }
    }

    private func note(_ event: SecureSession.Event) {
        switch event {
        case .client, .established, .proof: break
        case .packet(let stream, _):
            var body = ByteBuffer()
            session.openPacket(into: &body)
            keep(body, on: stream)
        case .session(.request(let request)):
            requests.append(request)
            guard answersPings, request.name == ["tunnel", "ping"] else { return }
            session.muxrpc.fail(request.number, message: "an error is an answer too")
        case .session(.reply(let call, let reply)): replies[call] = reply
        case .session(.lateFailure(let call, let error)): lateFailures[call] = error
        case .session(.data(let stream, .json, let body)):
            values[stream, default: []].append((try? JSONValue(parsing: body)) ?? .null)
        case .session(.data(let stream, _, let body)): keep(body, on: stream)
        case .session(.ended(let stream, let error)): ends[stream] = error?.message ?? ""
        case .session(.goodbye): hasGoodbye = true
        case .ended: hasEnded = true
        }
    }

    private func keep(_ body: ByteBuffer, on stream: StreamID) {
        packets[stream, default: []].append(body)
        bytes[stream, default: ByteBuffer()].writeImmutableBuffer(body)
    }

    /// Calls a method, which is answered when the world has run.
    package func call(_ name: String, _ arguments: [JSONValue] = []) throws -> RequestNumber {
        try session.muxrpc.call(name.split(separator: ".").map(String.init), arguments)
    }

    /// Opens a stream.
    package func open(_ kind: CallKind, _ name: String, _ arguments: [JSONValue] = []) throws -> StreamID {
        try session.muxrpc.open(kind, name.split(separator: ".").map(String.init), arguments)
    }

    /// The streams that the portal has opened for clients.
    package var tunnels: [Request] { requests.filter { $0.name == ["tunnel", "connect"] } }
}
