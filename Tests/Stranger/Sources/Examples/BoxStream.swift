import BoxStream
import NIOCore
import TypedSodium

/// Seals a message of at most 4096 bytes where it stands, and opens it as the other end does.
public func sealAndOpen(_ message: String) throws -> String? {
    // In a connection the handshake gives both ends the same key and nonce.
    let key = try SecretKey.random()
    let nonce = try Nonce(Random.bytes(24))
    var sealer = Sealer(key: key.copy(), nonce: nonce)
    var opener = Opener(key: key, nonce: nonce)

    var frame = ByteBuffer(repeating: 0, count: BoxFrame.headerByteCount)
    frame.writeString(message)
    var bytes = frame.mutableReadableBytesSpan
    sealer.seal(&bytes)

    guard let header = frame.readSlice(length: BoxFrame.headerByteCount),
        case .body(let byteCount) = try opener.openHeader(header.readableBytesSpan),
        let body = frame.readSlice(length: byteCount)
    else { return nil }
    try opener.verify(body.readableBytesSpan)
    var opened = ByteBuffer()
    opened.writeWithOutputRawSpan(minimumWritableBytes: byteCount) { output in
        opener.open(body.readableBytesSpan, into: &output)
    }
    return String(buffer: opened)
}
