internal import NIOCore

/// The calls and streams that the peer opened: which are allowed, which are open.
struct PeerCalls: Sendable {
    /// What may be called.
    var manifest: Manifest

    private var open: OpenRequests
    private var highestNumber: Int32 = 0
    /// How many calls and streams the peer has asked for, those included that were refused.
    private(set) var count = 0
    private let bodyLimit: Int

    init(manifest: Manifest, limits: Limits) {
        self.manifest = manifest
        open = OpenRequests(limit: limits.openRequestCount)
        bodyLimit = limits.jsonBodyByteCount
    }

    var openCount: Int { open.count }

    /// Whether an async call waits for its answer.
    func isOpen(_ call: RequestNumber) -> Bool { open.kind(of: call.value) == .async }

    /// Whether a call or stream of that number is open.
    func isOpen(_ number: Int32) -> Bool { open.kind(of: number) != nil }

    /// Whether the number may have been a call's; numbers can overtake each other, so this is a bound.
    func wasSeen(_ number: Int32) -> Bool { number <= highestNumber }

    func kind(of stream: StreamID) -> CallKind? {
        open.isStream(stream.openerNumber) ? open.kind(of: stream.openerNumber) : nil
    }

    mutating func close(_ number: Int32) { open.remove(number) }

    /// Takes a packet with a positive number; no body stands for one that was too long to be kept.
    mutating func receive(
        _ header: PacketHeader, body: ByteBuffer?, outbox: inout Outbox
    ) -> RPCEvent? {
        let number = header.requestNumber
        switch (open.kind(of: number), header.isStream) {
        case (.source?, true), (.sink?, true), (.duplex?, true):
            let stream = StreamID(sentNumber: -number)
            return open.take(StreamTurn(header, body: body), on: stream, outbox: &outbox)
        case (.some, _):
            // A number used twice: one answer is all it can have, and that belongs to the first.
            return nil
        case (nil, let isStream):
            // The end of nothing is never answered: Go sends errors with positive numbers after a failed call,
            // and an end for a number that it does not know costs Go its framing.
            guard !header.isEnd else { return nil }
            if isStream, !isOpening(header, body: body) { return nil }
            return admit(header, body: body, outbox: &outbox)
        }
    }

    /// Fails every stream that is open; calls need no answer any more.
    mutating func abandon() -> [RPCEvent] {
        defer { open.removeAll() }
        return open.all.filter(\.kind.isStream).map { entry in
            .ended(StreamID(sentNumber: -entry.number), .transportEnded)
        }
    }

    /// Whether a stream packet for a free number opens, or was meant to open, a stream.
    ///
    /// The rest was in flight when we ended its stream, and is dropped. Go's numbers can overtake each other, so a
    /// low number alone does not make a packet late.
    private func isOpening(_ header: PacketHeader, body: ByteBuffer?) -> Bool {
        guard header.bodyType == .json || header.bodyType == nil else { return false }
        if header.requestNumber > highestNumber { return true }
        return body.flatMap { Call($0, type: header.bodyType) }?.isWellFormed ?? false
    }

    /// Answers what the manifest, the form or the limit forbids, and `manifest` itself; hands the rest out.
    private mutating func admit(
        _ header: PacketHeader, body: ByteBuffer?, outbox: inout Outbox
    ) -> RPCEvent? {
        let number = header.requestNumber
        highestNumber = max(highestNumber, number)
        count += 1
        // Behind our goodbye no answer can be sent, so nothing is begun.
        guard !outbox.isClosed else { return nil }
        do throws(RemoteError) {
            let request = try request(header, body: body)
            guard request.name != Manifest.ownName else {
                // Never too long: it is our own, and written once in a program's text.
                try? outbox.write(manifest.tree, number: -number, limit: bodyLimit)
                return nil
            }
            open.insert(number, request.kind)
            return .request(request)
        } catch {
            outbox.writeError(error.message, number: -number, isStream: header.isStream)
            return nil
        }
    }

    /// The request that a packet makes, or the error to answer with, in JavaScript's words.
    private func request(_ header: PacketHeader, body: ByteBuffer?) throws(RemoteError) -> Request {
        guard let body else { throw .tooLong }
        if let name = manifest.nameOfUnread(body, header) {
            guard !open.isFull else { throw RemoteError("too many open requests") }
            return Request(
                number: RequestNumber(header.requestNumber), kind: .async, name: name, arguments: [],
                unreadBody: body)
        }
        guard let call = Call(body, type: header.bodyType) else {
            throw RemoteError("invalid request, body should be a JSON object")
        }
        // ssb-room-client looks for this very end of the message before it falls back from room.* to tunnel.*.
        guard let allowed = manifest.kind(of: call.name)?.callKind else {
            throw RemoteError("method:\(call.joinedName) is not in list of allowed methods")
        }
        guard let arguments = call.arguments else {
            throw RemoteError("invalid request, args should be array")
        }
        let kind = try call.kind(isStream: header.isStream)
        guard kind == allowed else { throw RemoteError("no \(kind.rawValue):\(call.joinedName)") }
        guard !open.isFull else { throw RemoteError("too many open requests") }
        return Request(
            number: RequestNumber(header.requestNumber), kind: kind, name: call.name, arguments: arguments)
    }
}
