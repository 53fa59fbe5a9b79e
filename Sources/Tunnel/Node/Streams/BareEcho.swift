internal import MuxRPC
internal import NIOCore

/// What one `echo` may not send back yet, because its caller, who knows no credit, does not read.
struct BareEcho {
    private var waiting = CircularBuffer<(type: BodyType, body: ByteBuffer)>()
    /// What waits costs so much, in bytes.
    private(set) var heldByteCount = 0

    /// What an entry costs beside its bytes.
    private static let entryByteCount = 64

    var isEmpty: Bool { waiting.isEmpty }

    /// What it would cost to have that wait too.
    func cost(with body: ByteBuffer, _ type: BodyType) -> Int {
        guard joinsLast(type), let last = waiting.last?.body else {
            return heldByteCount + Self.cost(of: body)
        }
        let joined = ByteBuffer.capacity(for: last.readableBytes + body.readableBytes)
        return heldByteCount - Self.cost(of: last) + joined + Self.entryByteCount
    }

    /// Has something wait.
    mutating func append(_ body: ByteBuffer, _ type: BodyType) {
        heldByteCount = cost(with: body, type)
        if joinsLast(type) {
            waiting[waiting.index(before: waiting.endIndex)].body.writeImmutableBuffer(body)
        } else {
            // A copy, because a slice keeps all alive that it was cut from.
            waiting.append((type, ByteBuffer(bytes: body.readableBytesView)))
        }
    }

    /// Takes what may be sent now: at most so many bytes, and what is no bytes whole.
    mutating func next(upTo byteCount: Int) -> (type: BodyType, body: ByteBuffer)? {
        guard byteCount > 0, let (type, first) = waiting.first else { return nil }
        var rest = first
        let count = min(byteCount, rest.readableBytes)
        guard type == .binary || count == rest.readableBytes else { return nil }
        waiting.removeFirst()
        heldByteCount -= Self.cost(of: rest)
        guard let piece = rest.readSlice(length: count) else { return nil }
        if rest.readableBytes > 0 {
            let left = ByteBuffer(bytes: rest.readableBytesView)
            waiting.prepend((type, left))
            heldByteCount += Self.cost(of: left)
        }
        return (type, piece)
    }

    /// Small ones join the last: bytes have no ends on a stream.
    private func joinsLast(_ type: BodyType) -> Bool { type == .binary && waiting.last?.type == .binary }

    private static func cost(of body: ByteBuffer) -> Int {
        ByteBuffer.capacity(for: body.readableBytes) + entryByteCount
    }
}

/// What the bare echoes of one session have waiting; each one's place pays for it.
struct BareEchoes {
    /// How much may wait, in bytes of memory: the longest packet that there is, and what its pieces cost beside it.
    static let limit = (1 << 20) + (4 << 10)

    private var echoes: [StreamID: BareEcho] = [:]
    private var heldByteCount = 0

    var isEmpty: Bool { echoes.isEmpty }

    func isWaiting(_ stream: StreamID) -> Bool { echoes[stream] != nil }

    /// What one echo has waiting, in bytes of memory.
    func heldByteCount(of stream: StreamID) -> Int { echoes[stream]?.heldByteCount ?? 0 }

    /// The same once that waits too; `nil` where the session's have too much waiting then.
    func heldByteCount(of stream: StreamID, with body: ByteBuffer, _ type: BodyType) -> Int? {
        let echo = echoes[stream] ?? BareEcho()
        let cost = echo.cost(with: body, type)
        return heldByteCount - echo.heldByteCount + cost <= Self.limit ? cost : nil
    }

    /// Has something wait that is paid for.
    mutating func append(_ body: ByteBuffer, _ type: BodyType, on stream: StreamID) {
        var echo = echoes.removeValue(forKey: stream) ?? BareEcho()  // the only reference: no copy on write
        heldByteCount -= echo.heldByteCount
        echo.append(body, type)
        heldByteCount += echo.heldByteCount
        echoes[stream] = echo
    }

    /// What may be sent now, of one stream after the other.
    mutating func next(upTo byteCount: Int) -> (stream: StreamID, type: BodyType, body: ByteBuffer)? {
        for (stream, var echo) in echoes {
            let before = echo.heldByteCount
            guard let (type, body) = echo.next(upTo: byteCount) else { continue }
            heldByteCount += echo.heldByteCount - before
            echoes[stream] = echo.isEmpty ? nil : echo
            return (stream, type, body)
        }
        return nil
    }

    mutating func remove(_ stream: StreamID) {
        guard let echo = echoes.removeValue(forKey: stream) else { return }
        heldByteCount -= echo.heldByteCount
    }
}
