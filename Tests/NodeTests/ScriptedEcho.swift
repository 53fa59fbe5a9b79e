import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport

/// A peer on the loopback interface whose `echo` does not what it should.
enum ScriptedEcho {
    /// What is wrong with it.
    enum Fault: Sendable {
        case none
        /// Nothing comes back of what comes behind so many bytes.
        case silentBehind(Int)
        /// The same, and nothing else is answered then.
        case deafBehind(Int)
        /// Behind so many bytes one more is sent than came.
        case tooMuchBehind(Int)
        /// The byte behind so many is another one.
        case otherByteBehind(Int)
        /// What came is sent back so much later.
        case late(TimeAmount)
    }

    /// Listens for as long as `body` takes, which is told where.
    static func run(_ fault: Fault, _ body: (PeerAddress) async throws -> Void) async throws {
        try await ScriptedConnection.listen(
            manifest: ["echo": .duplex, "tunnel.ping": .async],
            script: {
                var echo = Echo(fault: fault)
                return { echo.take($1, on: $0) }
            }, body)
    }

    /// The echo of one connection.
    private struct Echo {
        let fault: Fault
        private var byteCount = 0

        init(fault: Fault) { self.fault = fault }

        mutating func take(_ event: SecureSession.Event, on connection: ScriptedConnection) {
            switch event {
            case .packet(let stream, _):
                var bytes = ByteBuffer()
                connection.session.openPacket(into: &bytes)
                echo(bytes, of: stream, on: connection)
            case .session(.data(let stream, .binary, let bytes)):
                echo(bytes, of: stream, on: connection)
            case .session(.data(let stream, _, let json)):
                // A grant of one is a grant of the other, and so is the end.
                guard let value = try? JSONValue(parsing: json) else { return }
                send(on: connection) { try? $0.muxrpc.send(value, on: stream) }
            case .session(.request(let request)) where request.kind == .async:
                try? connection.session.muxrpc.reply(to: request.number, with: 1)
            default: break
            }
        }

        private mutating func echo(
            _ came: ByteBuffer, of stream: StreamID, on connection: ScriptedConnection
        ) {
            var bytes = came
            let before = byteCount
            byteCount += came.readableBytes
            switch fault {
            case .none: break
            case .silentBehind(let limit) where byteCount > limit: return
            case .deafBehind(let limit) where byteCount > limit:
                connection.isReceiveClosed = true
                return
            case .tooMuchBehind(let limit) where byteCount > limit: bytes.writeInteger(UInt8(0))
            case .otherByteBehind(let limit) where (before..<byteCount).contains(limit):
                let index = bytes.readerIndex + limit - before
                if let byte: UInt8 = bytes.getInteger(at: index) { bytes.setInteger(byte ^ 1, at: index) }
            default: break
            }
            send(on: connection) { $0.send(bytes, on: stream) }
        }

        /// Sends now, or as late as the script says.
        private func send(on connection: ScriptedConnection, _ send: @escaping (SecureSession) -> Void) {
            guard case .late(let time) = fault else { return send(connection.session) }
            connection.schedule(in: time, send)
        }
    }
}
