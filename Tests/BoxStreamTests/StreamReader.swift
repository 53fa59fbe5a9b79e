import BoxStream

/// Collects bytes that arrive in any pieces and opens them frame by frame, as a connection does.
struct StreamReader: ~Copyable {
    /// The bodies opened so far.
    private(set) var bodies: [[UInt8]] = []
    private var opener: Opener
    private var unread: [UInt8] = []
    private var bodyIsNext = false

    init(opener: consuming Opener) { self.opener = opener }

    /// Takes the next piece.
    mutating func receive(_ piece: some Sequence<UInt8>) throws(BoxStreamError) {
        unread += piece
        while !unread.isEmpty {
            // Once nothing is expected, the opener is shown the excess, so that it can refuse it.
            let byteCount = opener.expectedByteCount ?? unread.count
            guard unread.count >= byteCount else { return }
            let part = Array(unread.prefix(byteCount))
            unread.removeFirst(byteCount)
            if bodyIsNext {
                bodies.append(try opener.body(part))
                bodyIsNext = false
            } else {
                bodyIsNext = try opener.header(part) != .goodbye
            }
        }
    }

    /// Takes note of the end.
    mutating func finish() throws(BoxStreamError) { try opener.finish() }
}

extension Opener {
    /// Opens a header.
    mutating func header(_ box: [UInt8]) throws(BoxStreamError) -> Header {
        try openHeader(unsafe box.span.bytes)
    }

    /// Verifies a body.
    mutating func verify(_ body: [UInt8]) throws(BoxStreamError) { try verify(unsafe body.span.bytes) }

    /// Verifies and opens a body.
    mutating func body(_ body: [UInt8]) throws(BoxStreamError) -> [UInt8] {
        try verify(body)
        return open(body, behind: [])
    }

    /// Opens a verified body behind what is there.
    mutating func open(_ body: [UInt8], behind earlier: [UInt8]) -> [UInt8] {
        let byteCount = earlier.count + body.count
        return unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initializedCount in
            var output = unsafe OutputRawSpan(
                buffer: UnsafeMutableRawBufferPointer(buffer), initializedCount: 0)
            for byte in earlier { output.append(byte) }
            unsafe open(body.span.bytes, into: &output)
            initializedCount = unsafe output.finalize(for: UnsafeMutableRawBufferPointer(buffer))
        }
    }

    /// What a verified body starts with.
    func start(of body: [UInt8]) -> [UInt8] {
        let prefix = prefix(of: unsafe body.span.bytes)
        return (0..<prefix.byteCount).map { prefix.bytes[$0] }
    }
}
