internal import NIOCore

/// The calls and streams that we opened: their numbers, and what the peer answers.
struct OwnCalls: Sendable {
    private var open: OpenRequests
    private let bodyLimit: Int

    /// The next number, or `nil` when all are used up: a number that came twice would mix two answers.
    private var nextNumber: Int32?

    init(limits: Limits, firstNumber: Int32) {
        nextNumber = firstNumber
        open = OpenRequests(limit: limits.openRequestCount)
        bodyLimit = limits.jsonBodyByteCount
    }

    var openCount: Int { open.count }

    func kind(of stream: StreamID) -> CallKind? {
        open.isStream(stream.openerNumber) ? open.kind(of: stream.openerNumber) : nil
    }

    /// Whether somebody waits for what the peer sends under that number.
    func isOpen(answeredBy number: Int32) -> Bool {
        StreamID(receivedNumber: number).map { open.kind(of: $0.openerNumber) != nil } ?? false
    }

    mutating func close(_ stream: StreamID) { open.remove(stream.openerNumber) }

    /// Writes a call and gives its number.
    mutating func begin(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue], outbox: inout Outbox
    ) throws(MuxRPCError) -> Int32 {
        guard let number = nextNumber else { throw .outOfNumbers }
        guard !open.isFull else { throw .tooManyOpen(limit: open.limit) }
        let body = Call.body(name: name, arguments: arguments, kind: kind)
        try outbox.write(body, number: number, isStream: kind.isStream, limit: bodyLimit)
        open.insert(number, kind)
        nextNumber = number == .max ? nil : number + 1
        return number
    }

    /// Takes a packet with a negative number; no body stands for one that was too long to be kept.
    mutating func receive(
        _ header: PacketHeader, body: ByteBuffer?, outbox: inout Outbox
    ) -> RPCEvent? {
        guard let stream = StreamID(receivedNumber: header.requestNumber) else { return nil }
        let number = stream.openerNumber
        switch open.kind(of: number) {
        case nil:
            return receiveLate(header, body: body, number: number)
        case .async?:
            // A stream packet answers no call, but the end of one says that no reply will come.
            guard !header.isStream || header.isEnd else { return nil }
            open.remove(number)
            return .reply(RequestNumber(number), Reply(header, body: body))
        case .source?, .sink?, .duplex?:
            // An error without the stream flag is what a peer sends that took the opening for a call.
            guard header.isStream || header.isEnd else { return nil }
            return open.take(StreamTurn(header, body: body), on: stream, outbox: &outbox)
        }
    }

    /// Fails everything that is open.
    mutating func abandon() -> [RPCEvent] {
        defer { open.removeAll() }
        return open.all.map { entry in
            entry.kind.isStream
                ? .ended(StreamID(sentNumber: entry.number), .transportEnded)
                : .reply(RequestNumber(entry.number), .failure(.transportEnded))
        }
    }

    /// What comes for a number that is free: in flight when we ended the stream, or never asked for.
    private func receiveLate(_ header: PacketHeader, body: ByteBuffer?, number: Int32) -> RPCEvent? {
        let wasUsed = nextNumber.map { number < $0 } ?? true
        guard wasUsed, header.isEnd, !header.isStream else { return nil }
        let error = body.map { RemoteError(body: $0, type: header.bodyType) } ?? .tooLong
        return .lateFailure(RequestNumber(number), error)
    }
}
