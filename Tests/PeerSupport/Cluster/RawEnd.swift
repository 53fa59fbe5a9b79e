package import MuxRPC
internal import Multiserver
package import NIOCore
internal import SecretHandshake
package import TypedSodium

/// A peer at a portal over a socket, whose calls are single packets, cut as JavaScript does; it waits a minute at most.
package final class RawEnd {
    package typealias Packet = (header: PacketHeader, body: ByteBuffer)

    private let peer: RawPeer
    private let socket: LoopbackSocket
    private var packets: [Packet] = []
    /// The last stream that it has opened itself, above those that a test numbers.
    private var number: Int32 = 1_000

    /// Connects to a portal whose id and port are known, and shakes hands; from an address of the loopback network by its
    /// last two bytes.
    package init(_ identity: Identity, to portal: String, at port: UInt16, from source: UInt16 = 1) throws {
        peer = try RawPeer(identity, to: PublicKey(id: portal), network: .scuttlebutt)
        socket = try LoopbackSocket.dialling(port, from: source, until: .now + .seconds(60))
        while !peer.isOpen {
            try flush()
            try take()
        }
        try flush()
    }

    /// Its id.
    package var id: String { peer.key.id }

    package func call(_ json: String, isStream: Bool = false, number: Int32) throws {
        peer.call(json, isStream: isStream, number: number)
        try flush()
    }

    package func send(number: Int32, body: [UInt8]) throws {
        peer.send(number: number, body: body)
        try flush()
    }

    /// Announces itself openly, or hidden by a token of 32 bytes, as base64.
    package func announce(token: String? = nil) throws {
        let arguments = token.map { #"{"hidden":true,"tokens":["\#($0)"]}"# } ?? ""
        try call(#"{"name":["tunnel","announce"],"args":[\#(arguments)],"type":"async"}"#, number: 1)
        let answer = try packet { $0.header.requestNumber == -1 }
        guard !answer.header.isEnd else { throw LoopbackSocket.Failure.ended }
    }

    /// The ids of those who are announced openly, once they are as wanted; its own may be among them, as it asks.
    ///
    /// The portal says them at once and at each change, until this connection's minute is over.
    @discardableResult
    package func endpoints(where isWanted: (Set<String>) -> Bool = { _ in true }) throws -> Set<String> {
        number += 1
        try call(
            #"{"name":["tunnel","endpoints"],"args":[],"type":"source"}"#, isStream: true, number: number)
        let asked = number
        while true {
            let next = try packet(withinDeadline: true) { packet in
                packet.header.requestNumber == -asked || Self.isQuestion(packet)
            }
            guard next.header.requestNumber == -asked else {
                try answer(next)
                continue
            }
            guard !next.header.isEnd else { throw LoopbackSocket.Failure.ended }
            guard case .array(let list) = try JSONValue(parsing: next.body) else { continue }
            let ids = Set(list.compactMap { if case .string(let id) = $0 { id } else { nil } })
            guard isWanted(ids) else { continue }
            try endStream(number: asked)
            return ids
        }
    }

    /// Answers the portal's questions until it closes the connection.
    package func awaitEnd() throws {
        do {
            while true { try answer(try packet(withinDeadline: true, where: Self.isQuestion)) }
        } catch LoopbackSocket.Failure.ended {}
    }

    /// Whether the portal asks for a sign of life, or for anything else that has one answer.
    private static func isQuestion(_ packet: Packet) -> Bool {
        packet.header.requestNumber > 0 && !packet.header.isStream
    }

    private func answer(_ question: Packet) throws {
        peer.send(
            type: .json, isStream: false, number: -question.header.requestNumber, body: Array("0".utf8))
        try flush()
    }

    /// Asks for a target that is to be found nowhere, and returns how long the answer took.
    package func miss(_ target: String) throws -> Duration {
        let start = ContinuousClock.now
        try misses([target])
        return .now - start
    }

    /// Asks for targets at once that are to be found nowhere, until all of it is answered.
    package func misses(_ targets: [String]) throws {
        let numbers = targets.indices.map { number + 1 + Int32($0) }
        number += Int32(targets.count)
        for (number, target) in zip(numbers, targets) { try connect(to: target, number: number) }
        for number in numbers { _ = try packet { $0.header.requestNumber == -number && $0.header.isEnd } }
    }

    /// Calls a target that answers with something, and returns how long that took.
    package func answered(by target: String) throws -> Duration {
        let start = ContinuousClock.now
        number += 1
        let called = number
        try connect(to: target, number: called)
        let answer = try packet { $0.header.requestNumber == -called }
        guard !answer.header.isEnd else {
            throw CwayProcess.Failure(description: "no answer: \(String(buffer: answer.body))")
        }
        let time = ContinuousClock.now - start
        try endStream(number: called)
        _ = try packet { $0.header.requestNumber == -called && $0.header.isEnd }
        return time
    }

    /// Awaits a call, and answers it with a byte.
    package func answerCall() throws {
        let call = try packet { $0.header.requestNumber > 0 && $0.header.isStream && !$0.header.isEnd }
        guard call.header.bodyType == .json else { return }
        try send(number: -call.header.requestNumber, body: [1])
        try endStream(number: -call.header.requestNumber)
    }

    private func endStream(number: Int32) throws {
        peer.send(type: .json, isEnd: true, number: number, body: Array("true".utf8))
        try flush()
    }

    /// Asks for a tunnel, on the stream of that number.
    package func connect(to target: String, number: Int32) throws {
        try call(
            #"{"name":["tunnel","connect"],"args":[{"target":"\#(target)"}],"type":"duplex"}"#,
            isStream: true, number: number)
    }

    /// The first packet that is as wanted, before the connection's minute is over where that matters.
    package func packet(withinDeadline: Bool = false, where isWanted: (Packet) -> Bool) throws -> Packet {
        while true {
            if let index = packets.firstIndex(where: isWanted) { return packets.remove(at: index) }
            if withinDeadline { _ = try socket.wait(toWrite: false) }
            try take()
        }
    }

    /// The first bytes on a stream.
    package func bytes(_ count: Int, number: Int32) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let next = try packet { $0.header.requestNumber == number && $0.header.bodyType == .binary }
            bytes += Array(next.body.readableBytesView)
        }
        return bytes
    }

    private func flush() throws {
        while let bytes = peer.nextOutbound() { try socket.writeAll(Array(bytes.readableBytesView)) }
    }

    private func take() throws {
        let bytes = try socket.read(atMost: 256 << 10)
        guard !bytes.isEmpty else { throw LoopbackSocket.Failure.ended }
        try peer.take(ByteBuffer(bytes: bytes))
        packets += peer.takePackets()
        try flush()
    }
}
