package import Multiserver
package import MuxRPC
package import NIOCore
import SecureSession
import Synchronization
package import TypedSodium

/// A portal on the loopback interface that answers every call from a script, and notes what was asked.
package final class ScriptedPortal: Sendable {
    /// A call as it came.
    package struct Call: Sendable {
        /// Which of the portal's connections it came on, from 0 on.
        package let connection: Int
        /// The method's name, part by part.
        package let name: [String]
        /// The first argument.
        package let argument: JSONValue?
    }

    /// What a call comes to.
    package enum Answer: Sendable {
        /// An error with these words.
        case error(String)
        /// The value of an async call.
        case value(JSONValue)
        /// What a source has.
        case items([JSONValue])
        /// Bytes of a source, in one packet.
        case bytes(ByteBuffer)
    }

    /// Gives the answer to a call; how many were noted before it is said.
    package typealias Script = @Sendable (Call, Int) -> Answer

    /// What a portal has, as far as the tests need it.
    private static let manifest: Manifest = [
        "tunnel.connect": .duplex, "room.metadata": .async, "tunnel.ping": .async, "whoami": .async,
        "tunnel.announce": .async,
    ]

    private struct Notes {
        var connectionCount = 0
        var calls: [Call] = []
        var peers: [PublicKey] = []
    }

    private let manifest: Manifest
    private let script: Script
    private let notes = Mutex(Notes())

    /// A portal with that script; another peer where it has another manifest.
    package init(manifest: Manifest? = nil, _ script: @escaping Script) {
        self.manifest = manifest ?? Self.manifest
        self.script = script
    }

    /// Listens for as long as `body` takes, which is told where.
    package func run(_ body: (PeerAddress) async throws -> Void) async throws {
        var limits = Limits()
        limits.streamBodyByteCount = .max
        try await ScriptedConnection.listen(
            manifest: manifest, limits: limits, script: { [self] in connectionScript() }, body)
    }

    private func connectionScript() -> ScriptedConnection.Script {
        let number = notes.withLock { notes in
            defer { notes.connectionCount += 1 }
            return notes.connectionCount
        }
        return { [self] connection, event in
            switch event {
            case .client(let peer): notes.withLock { $0.peers.append(peer) }
            case .session(.request(let request)):
                let call = Call(connection: number, name: request.name, argument: request.arguments.first)
                try Self.give(answer(to: call), to: request, on: connection.session)
            default: break
            }
        }
    }

    /// What was asked so far, but for whether it is there: that depends on how fast the machine is.
    package var calls: [Call] { notes.withLock(\.calls) }

    /// Who came, in order.
    package var peers: [PublicKey] { notes.withLock(\.peers) }

    private func answer(to call: Call) -> Answer {
        let count = notes.withLock { notes in
            defer { if call.name != ["tunnel", "ping"] { notes.calls.append(call) } }
            return notes.calls.count
        }
        return script(call, count)
    }

    private static func give(
        _ answer: Answer, to request: Request, on session: SecureSession
    ) throws {
        switch answer {
        case .error(let words) where request.kind == .async:
            session.muxrpc.fail(request.number, message: words)
        case .error(let words):
            session.muxrpc.fail(request.stream, message: words)
        case .value(let value):
            try session.muxrpc.reply(to: request.number, with: value)
        case .items(let items):
            for item in items { try session.muxrpc.send(item, on: request.stream) }
            session.muxrpc.end(request.stream)
        case .bytes(let bytes):
            try session.muxrpc.send(bytes, on: request.stream)
            session.muxrpc.end(request.stream)
        }
    }
}
