import MuxRPC
import NIOCore

/// Calls a method of one end from the other, and tells the reply.
public func greet(_ name: String) throws -> Reply? {
    var caller = RPCConnection(manifest: [:])
    var callee = RPCConnection(manifest: ["greet": .async])
    let number = try caller.call(["greet"], [.string(name)])

    for case .request(let request) in carry(from: &caller, to: &callee) {
        let guest = request.arguments.first?.string ?? "stranger"
        try callee.reply(to: request.number, with: .string("hello, \(guest)"))
    }
    for case .reply(number, let reply) in carry(from: &callee, to: &caller) { return reply }
    return nil
}

/// Gives one end what the other has to send, which would go through a box stream; tells what happened there.
private func carry(from sender: inout RPCConnection, to receiver: inout RPCConnection) -> [RPCEvent] {
    var packets = sender.takeOutbox() ?? ByteBuffer()
    var reader = PacketReader()
    var events: [RPCEvent] = []
    while let item = reader.next(from: &packets) {
        if let event = receiver.receive(item) { events.append(event) }
    }
    return events
}
