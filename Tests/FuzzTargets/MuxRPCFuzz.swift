internal import MuxRPC
internal import NIOCore

/// Packets in any pieces, and a session that answers: whatever comes, its state stays one that it can go on from.
enum MuxRPCFuzz {
    static func run(_ input: inout FuzzInput) {
        var session = RPCConnection(manifest: [
            "whoami": .async, "tunnel.connect": .duplex, "room.attendants": .source, "blobs.add": .sink,
        ])
        var reader = PacketReader()
        var streams: [StreamID] = []
        _ = try? session.call(["whoami"], [])
        if let stream = try? session.open(.duplex, ["tunnel", "connect"], []) { streams.append(stream) }
        var rounds = 0
        while !input.isEmpty, rounds < 200 {
            rounds += 1
            let packet = packet(&input)
            for piece in input.pieces(of: packet) {
                var chunk = ByteBuffer(bytes: piece)
                while let item = reader.next(from: &chunk) {
                    guard let event = session.receive(item) else { continue }
                    answer(event, &session, &streams, &input)
                }
                precondition(chunk.readableBytes == 0, "a reader takes all that it is given")
            }
            _ = session.takeOutbox()
        }
        _ = session.transportEnded()
        precondition(session.openRequestCount == 0, "nothing is open when the transport has ended")
    }

    private static func packet(_ input: inout FuzzInput) -> [UInt8] {
        let body: [UInt8] =
            switch input.choice(4) {
            case 0: Array(calls[input.choice(calls.count)].utf8)
            case 1: Array("true".utf8)
            default: input.take(input.choice(64))
            }
        let claimed = input.choice(8) == 0 ? input.number() << 8 : body.count
        var bytes = ByteBuffer()
        bytes.writeInteger(input.byte())
        bytes.writeInteger(UInt32(claimed))
        bytes.writeInteger(Int32(truncatingIfNeeded: input.choice(8) - 4))
        return Array(bytes.readableBytesView) + body
    }

    private static let calls = [
        #"{"name":["whoami"],"args":[],"type":"async"}"#, #"{"name":"manifest","args":[]}"#,
        #"{"name":["tunnel","connect"],"args":[{}],"type":"duplex"}"#,
        #"{"name":["room","attendants"],"args":[],"type":"source"}"#,
        #"{"name":["blobs","add"],"args":[],"type":"sink"}"#, #"{"message":"no","name":"Error","stack":""}"#,
    ]

    private static func answer(
        _ event: RPCEvent, _ session: inout RPCConnection, _ streams: inout [StreamID],
        _ input: inout FuzzInput
    ) {
        guard case .request(let request) = event else { return }
        switch (request.kind, input.choice(3)) {
        case (.async, 0): try? session.reply(to: request.number, with: ["id": "@x"])
        case (.async, _): session.fail(request.number, message: "no")
        case (_, 0): session.end(request.stream)
        case (_, 1): session.fail(request.stream, message: "no")
        default:
            streams.append(request.stream)
            for stream in streams where session.isOpen(stream) {
                try? session.send(ByteBuffer(bytes: [1, 2, 3]), on: stream)
            }
        }
    }
}

/// What can be parsed is written, parsed again, and equal.
enum JSONFuzz {
    static func run(_ bytes: [UInt8]) {
        guard let value = try? JSONValue(parsing: bytes.span) else { return }
        let written = value.serialized
        guard let again = try? JSONValue(parsing: written) else {
            preconditionFailure("what was written cannot be read")
        }
        precondition(again == value, "what was read again is something else")
    }
}
