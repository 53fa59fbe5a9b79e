internal import BoxStream
internal import NIOCore
internal import TypedSodium

/// A stream of genuine frames with bytes changed: what is opened was sent, in order, up to the first change.
enum BoxStreamFuzz {
    static func run(_ input: inout FuzzInput) {
        var sealer = Sealer(key: FuzzKeys.key(21), nonce: Nonce())
        var opener = Opener(key: FuzzKeys.key(21), nonce: Nonce())
        var sent: [UInt8] = []
        var wire: [UInt8] = []
        for _ in 0..<(1 + input.choice(6)) {
            let count = 1 + input.number() % BoxFrame.maximumBodyByteCount
            var body = input.take(min(count, 64))
            body += [UInt8](repeating: 7, count: count - body.count)
            sent += body
            var frame = ByteBuffer(repeating: 0, count: BoxFrame.headerByteCount)
            frame.writeBytes(body)
            var span = frame.mutableReadableBytesSpan
            sealer.seal(&span)
            wire += frame.readableBytesView
        }
        if input.choice(2) == 0 { wire += sealer.goodbye() }
        wire = input.spoil(wire)
        var opened: [UInt8] = []
        do throws(BoxStreamError) {
            try open(ByteBuffer(bytes: wire), with: &opener, into: &opened)
        } catch {
            // Refused, for good.
        }
        precondition(sent.starts(with: opened), "what was opened was not sent")
    }

    private static func open(
        _ wire: ByteBuffer, with opener: inout Opener, into opened: inout [UInt8]
    ) throws(BoxStreamError) {
        var wire = wire
        while let header = wire.readSlice(length: BoxFrame.headerByteCount) {
            guard case .body(let count) = try opener.openHeader(header.readableBytesSpan) else { return }
            guard let body = wire.readSlice(length: count) else { return try opener.finish() }
            try opener.verify(body.readableBytesSpan)
            let prefix = opener.prefix(of: body.readableBytesSpan)
            var plain = ByteBuffer()
            plain.writeWithOutputRawSpan(minimumWritableBytes: count) { output in
                opener.open(body.readableBytesSpan, into: &output)
            }
            let bytes = Array(plain.readableBytesView)
            precondition(
                (0..<prefix.byteCount).allSatisfy { prefix.bytes[$0] == bytes[$0] },
                "the first bytes are not those of the body")
            opened += bytes
        }
        try opener.finish()
    }
}
