import BoxStream
import PeerSupport
import SecretHandshake
import TestSupport
import TypedSodium

/// Our end of an established connection: both directions at once, on one thread.
struct BoxConversation: ~Copyable {
    /// What one direction carried, for comparison with the other end's report.
    struct Tally: Equatable {
        var sent = "", received = ""
        var receivedByteCount = 0
    }

    private let socket: LoopbackSocket
    private var sealer: Sealer
    private var opener: Opener
    private var unsent: ArraySlice<UInt8> = []
    private var unread: [UInt8] = []
    private var bodyIsNext = false
    private var hasSaidGoodbye = false
    private var hasHeardGoodbye = false
    private var receivedByteCount = 0
    private var received = SHA256()

    init(_ socket: LoopbackSocket, keys: consuming SessionKeys) {
        self.socket = socket
        sealer = Sealer(key: keys.encryptKey, nonce: keys.encryptNonce)
        opener = Opener(key: keys.decryptKey, nonce: keys.decryptNonce)
    }

    /// Sends a payload and the goodbye, hears the peer's, and waits for the peer to end the connection.
    consuming func exchange(_ payload: [UInt8], seed: UInt64) throws -> Tally {
        var random = SeededRandom(seed: seed)
        var rest = payload[...]
        while !(hasSaidGoodbye && unsent.isEmpty && hasHeardGoodbye) {
            if unsent.isEmpty && !hasSaidGoodbye { refill(from: &rest, using: &random) }
            let readiness = try socket.wait(toWrite: !unsent.isEmpty)
            if readiness.canWrite { unsent = unsent.dropFirst(try socket.writeNow(unsent)) }
            if readiness.canRead { try hear() }
        }
        try socket.endWriting()
        _ = try socket.wait(toWrite: false)
        guard try socket.read(atMost: 1).isEmpty else { throw BoxStreamError.afterGoodbye }
        try opener.finish()
        return Tally(
            sent: SHA256.hash(payload.span).array.hex, received: received.finalize().array.hex,
            receivedByteCount: receivedByteCount)
    }

    /// Seals the next few frames, of any length, or the goodbye behind the last.
    private mutating func refill(from rest: inout ArraySlice<UInt8>, using random: inout SeededRandom) {
        guard !rest.isEmpty else {
            unsent = sealer.goodbye()[...]
            hasSaidGoodbye = true
            return
        }
        var frames: [UInt8] = []
        while frames.count < 65_536, !rest.isEmpty {
            let limit = Bool.random(using: &random) ? BoxFrame.maximumBodyByteCount : 200
            let body = rest.prefix(Int.random(in: 1...limit, using: &random))
            rest = rest.dropFirst(body.count)
            var frame = [UInt8](repeating: 0, count: BoxFrame.headerByteCount) + body
            var bytes = frame.mutableSpan
            var raw = unsafe bytes.mutableBytes
            sealer.seal(&raw)
            frames += frame
        }
        unsent = frames[...]
    }

    private mutating func hear() throws {
        let arrived = try socket.read(atMost: 65_536)
        guard !arrived.isEmpty else {
            try opener.finish()
            throw LoopbackSocket.Failure.ended
        }
        unread += arrived
        var start = 0
        while let count = opener.expectedByteCount, unread.count - start >= count {
            try hear(Array(unread[start..<start + count]))
            start += count
        }
        unread.removeFirst(start)
        guard !hasHeardGoodbye || unread.isEmpty else { throw BoxStreamError.afterGoodbye }
    }

    /// One header or one body.
    private mutating func hear(_ part: [UInt8]) throws {
        guard bodyIsNext else {
            bodyIsNext = try opener.openHeader(unsafe part.span.bytes) != .goodbye
            hasHeardGoodbye = !bodyIsNext
            return
        }
        try opener.verify(unsafe part.span.bytes)
        let body = unsafe [UInt8](unsafeUninitializedCapacity: part.count) { buffer, initializedCount in
            var output = unsafe OutputRawSpan(
                buffer: UnsafeMutableRawBufferPointer(buffer), initializedCount: 0)
            unsafe opener.open(part.span.bytes, into: &output)
            initializedCount = unsafe output.finalize(for: UnsafeMutableRawBufferPointer(buffer))
        }
        received.update(body.span)
        receivedByteCount += body.count
        bodyIsNext = false
    }
}
