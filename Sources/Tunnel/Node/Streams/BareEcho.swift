internal import Account
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

/// What the bare echoes of one session have waiting, and who pays for it.
struct BareEchoes {
    /// How much may wait, in bytes of memory: the longest packet that there is, and what its pieces cost beside it.
    static let limit = (1 << 20) + (4 << 10)

    private var echoes: [StreamID: BareEcho] = [:]
    private var heldByteCount = 0
    private var charge = RunningCharge()
    private var account: Account?

    var isEmpty: Bool { echoes.isEmpty }

    func isWaiting(_ stream: StreamID) -> Bool { echoes[stream] != nil }

    /// Has something wait; `false` where there is no room for it.
    mutating func append(
        _ body: ByteBuffer, _ type: BodyType, on stream: StreamID, at account: Account
    ) -> Bool {
        var echo = echoes[stream] ?? BareEcho()
        let held = heldByteCount - echo.heldByteCount + echo.cost(with: body, type)
        guard held <= Self.limit, charge.pay(for: held, at: account) else { return false }
        (heldByteCount, self.account) = (held, account)
        echoes[stream] = nil  // leaves `echo` the only reference: no copy on write
        echo.append(body, type)
        echoes[stream] = echo
        return true
    }

    /// What may be sent now, of one stream after the other.
    mutating func next(upTo byteCount: Int) -> (stream: StreamID, type: BodyType, body: ByteBuffer)? {
        for (stream, var echo) in echoes {
            let before = echo.heldByteCount
            guard let (type, body) = echo.next(upTo: byteCount) else { continue }
            heldByteCount += echo.heldByteCount - before
            echoes[stream] = echo.isEmpty ? nil : echo
            settle()
            return (stream, type, body)
        }
        return nil
    }

    mutating func remove(_ stream: StreamID) {
        guard let echo = echoes.removeValue(forKey: stream) else { return }
        heldByteCount -= echo.heldByteCount
        settle()
    }

    private mutating func settle() {
        if let account { _ = charge.pay(for: heldByteCount, at: account) }
    }
}
