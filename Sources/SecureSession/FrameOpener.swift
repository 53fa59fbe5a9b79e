internal import BoxStream
internal import MuxRPC
internal import NIOCore

/// Opens the frames of one direction: a body is verified first, and stands there until somebody says where it goes.
///
/// The keystream that checked a body's tag shows its first bytes for free, and so the packet's header that it may
/// begin with.
struct FrameOpener: ~Copyable {
    /// What has come.
    enum Frame {
        /// A verified body, to be opened before the next frame; the header that it begins with, if with any.
        case body(byteCount: Int, PacketHeader?)
        /// The box-stream goodbye.
        case goodbye
    }

    private enum State {
        case awaitingHeader
        case awaitingBody(byteCount: Int)
        case verified(byteCount: Int, PacketHeader?)
        /// The goodbye came and was not told yet.
        case goodbye
        case ended
        /// A frame in a run was refused, which is to be thrown.
        case failed(BoxStreamError)
    }

    private var opener: Opener
    private var state = State.awaitingHeader

    init(_ opener: consuming Opener) { self.opener = opener }

    /// Whether a frame's header has come, and not all of its body.
    var isAwaitingBody: Bool {
        guard case .awaitingBody = state else { return false }
        return true
    }

    mutating func finish() throws(BoxStreamError) { try opener.finish() }

    // MARK: Frame by frame

    /// The next frame, the same again until its body is opened; `nil` where it has not arrived whole.
    mutating func next(from arrived: inout InboundBuffer) throws(BoxStreamError) -> Frame? {
        while true {
            switch state {
            case .awaitingHeader:
                guard arrived.prepare(BoxFrame.headerByteCount) else { return nil }
                let header = try arrived.withPiece(BoxFrame.headerByteCount) {
                    piece throws(BoxStreamError) in try opener.openHeader(piece)
                }
                arrived.consume(BoxFrame.headerByteCount)
                take(header)
            case .awaitingBody(let byteCount):
                guard arrived.prepare(byteCount) else { return nil }
                let header = try arrived.withPiece(byteCount) { piece throws(BoxStreamError) in
                    try verify(piece)
                }
                state = .verified(byteCount: byteCount, header)
            case .verified(let byteCount, let header):
                return .body(byteCount: byteCount, header)
            case .goodbye:
                state = .ended
                return .goodbye
            case .ended:
                guard arrived.byteCount > 0 else { return nil }
                throw .afterGoodbye
            case .failed(let error):
                throw error
            }
        }
    }

    /// Opens the body that stands there, but for its first bytes; does nothing where none does.
    mutating func openBody(
        from arrived: inout InboundBuffer, into buffer: inout ByteBuffer, dropping droppedByteCount: Int
    ) {
        guard case .verified(let byteCount, _) = state else { return }
        arrived.withPiece(byteCount) { piece in
            buffer.writeWithOutputRawSpan(minimumWritableBytes: byteCount) { output in
                opener.open(piece, dropping: droppedByteCount, into: &output)
            }
        }
        arrived.consume(byteCount)
        state = .awaitingHeader
    }

    private mutating func take(_ header: Opener.Header) {
        switch header {
        case .body(let byteCount): state = .awaitingBody(byteCount: byteCount)
        case .goodbye: state = .goodbye
        }
    }

    /// Checks the tag of a body, and reads the header that it begins with, if it does.
    private mutating func verify(_ body: RawSpan) throws(BoxStreamError) -> PacketHeader? {
        try opener.verify(body)
        let prefix = opener.prefix(of: body)
        guard prefix.byteCount >= PacketHeader.byteCount else { return nil }
        let header = PacketHeader(prefix.bytes.span)
        // Flags that mean nothing are not passed on: such a packet takes the other way and loses them.
        return header?.flags == prefix.bytes[0] ? header : nil
    }

    // MARK: Run by run

    /// Opens frames that have come whole with the last read into what a batch has allocated, as long as each is one
    /// packet of the stream with this number and within the limit; how many it were.
    ///
    /// Buffers are looked at once for all of them. What stops a run is told by ``next(from:)``.
    mutating func openRun(
        of number: Int32, from arrived: inout InboundBuffer, into buffer: inout ByteBuffer,
        within limit: PacketBatch.Limit
    ) -> Int {
        var run = Run(number: number, limit: limit, batchByteCount: buffer.readableBytes)
        arrived.withWhole { input in
            buffer.writeWithOutputRawSpan(minimumWritableBytes: 0) { output in
                do throws(BoxStreamError) {
                    while try openNext(of: &run, from: input, into: &output) {}
                } catch {
                    state = .failed(error)
                }
            }
        }
        arrived.consume(run.consumedByteCount)
        return run.packetCount
    }

    /// Packets of one stream that are opened one behind the other.
    private struct Run {
        let number: Int32
        var limit: PacketBatch.Limit
        var batchByteCount: Int
        var packetCount = 0
        var consumedByteCount = 0

        /// Whether a frame is the stream's, and fits behind the others.
        func takes(_ header: PacketHeader?, byteCount: Int) -> Bool {
            guard let header, header.isBinaryOfStream, header.requestNumber == number,
                header.bodyByteCount > 0,
                PacketHeader.byteCount + Int(header.bodyByteCount) == byteCount
            else { return false }
            return limit.allows(BoxFrame.headerByteCount + byteCount, behind: batchByteCount)
        }

        mutating func count(_ byteCount: Int) {
            packetCount += 1
            limit.packetCount += 1
            batchByteCount += BoxFrame.headerByteCount + byteCount
            consumedByteCount += byteCount
        }
    }

    /// Opens the next packet of a run; whether the frame behind it can be looked at.
    private mutating func openNext(
        of run: inout Run, from input: RawSpan, into output: inout OutputRawSpan
    ) throws(BoxStreamError) -> Bool {
        let start = run.consumedByteCount + BoxFrame.headerByteCount
        guard case .awaitingHeader = state, start <= input.byteCount else { return false }
        take(try opener.openHeader(input.extracting(run.consumedByteCount..<start)))
        run.consumedByteCount = start
        guard case .awaitingBody(let byteCount) = state, input.byteCount - start >= byteCount else {
            return false
        }
        let body = input.extracting(start..<start + byteCount)
        let header = try verify(body)
        guard run.takes(header, byteCount: byteCount),
            output.freeCapacity >= BoxFrame.headerByteCount + byteCount
        else {
            state = .verified(byteCount: byteCount, header)
            return false
        }
        // Safe: bytes have no padding that could be left as it was.
        unsafe output.append(repeating: 0, count: BoxFrame.headerByteCount, as: UInt8.self)
        opener.open(body, dropping: 0, into: &output)
        state = .awaitingHeader
        run.count(byteCount)
        return true
    }

    // MARK: Keystream ahead

    /// Whether blocks of frames to come are held.
    var holdsKeystream: Bool { opener.holdsKeystream }

    /// Takes note that no more input is at hand; what was made ahead stays where it is to be kept.
    mutating func rest(keepingKeystream isKept: Bool) {
        if isKept { opener.pause() } else { opener.rest() }
    }
}
