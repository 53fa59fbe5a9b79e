import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import TypedSodium

/// What a session told its owner, with the packets opened.
enum Told: Equatable {
    case client(PublicKey)
    case established(PublicKey)
    case packet(StreamID, [UInt8])
    case session(RPCEvent)
    case ended
}

/// A session with an owner that writes down what it is told.
final class Party {
    /// What the owner does with an announced packet.
    enum Opening {
        case intoBuffer
        case intoBatch
        case never
    }

    let session: SecureSession
    var opening = Opening.intoBuffer
    /// Whether clients are let in at once; else they stay announced.
    var accepts = true
    private(set) var told: [Told] = []
    private(set) var error: SecureSessionError?
    private(set) var batch = PacketBatch(capacity: 0)

    init(_ session: SecureSession) { self.session = session }

    func receive(_ bytes: ByteBuffer) {
        session.receive(bytes)
        drain()
    }

    func receive(_ bytes: [UInt8]) { receive(ByteBuffer(bytes: bytes)) }

    func inputEnded() {
        do throws(SecureSessionError) {
            try session.inputEnded()
        } catch {
            self.error = error
        }
    }

    func takeTold() -> [Told] {
        defer { told = [] }
        return told
    }

    func takeBatch() -> PacketBatch {
        defer { batch = PacketBatch(capacity: 0) }
        return batch
    }

    /// Everything that waits to be sent, as one run of bytes.
    func takeOutbound() -> [UInt8] {
        var bytes: [UInt8] = []
        while let buffer = session.nextOutbound() { bytes += Array(buffer: buffer) }
        return bytes
    }

    func drain() {
        do throws(SecureSessionError) {
            while let event = try session.next() { try take(event) }
        } catch {
            self.error = error
        }
    }

    private func take(_ event: SecureSession.Event) throws(SecureSessionError) {
        switch event {
        case .client(let key):
            told.append(.client(key))
            if accepts { try session.accept() }
        case .established(let key): told.append(.established(key))
        case .proof: break
        case .packet(let stream, let byteCount): take(stream, byteCount)
        case .session(let event): told.append(.session(event))
        case .ended: told.append(.ended)
        }
    }

    private func take(_ stream: StreamID, _ byteCount: Int) {
        switch opening {
        case .intoBuffer:
            var body = ByteBuffer()
            session.openPacket(into: &body)
            precondition(body.readableBytes == byteCount, "the packet is as long as announced")
            told.append(.packet(stream, Array(buffer: body)))
        case .intoBatch:
            session.openPacket(into: &batch)
            told.append(.packet(stream, []))
        case .never:
            told.append(.packet(stream, []))
        }
    }
}

extension [Told] {
    /// The bytes of one stream, however they were announced.
    func bytes(of stream: StreamID) -> [UInt8] {
        flatMap { told -> [UInt8] in
            switch told {
            case .packet(stream, let bytes): bytes
            case .session(.data(stream, .binary, let body)): [UInt8](buffer: body)
            default: []
            }
        }
    }

    /// The first request among them.
    var request: Request? {
        for case .session(.request(let request)) in self { return request }
        return nil
    }
}
