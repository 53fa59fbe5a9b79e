internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import PeerSupport
internal import SecretHandshake
internal import TypedSodium

/// A connection to a portal of which an attack says every packet, with sessions inside its tunnels.
///
/// Nothing waits: ``pump()`` writes and reads what is possible at this moment.
final class HostileConnection {
    private let socket: LoopbackSocket
    private let outer: RawPeer
    private var sessions: [Int32: RawPeer] = [:]
    private var unsent = ByteBuffer()
    private var lastNumber: Int32 = 0
    private var scratch = [UInt8](repeating: 0, count: 256 << 10)

    /// Whether what comes is read; an attack that does not read fills what stands in front of it.
    var reads = true
    /// How many bytes may be read still, where that is limited.
    var readAllowance = Int.max
    /// What has been sent, in bytes.
    private(set) var sentByteCount = 0
    /// How many tunnels or calls have ended with an error.
    private(set) var refusedCount = 0
    /// What the portal asked for: the numbers of streams that it has opened.
    private(set) var opened: [Int32] = []
    /// Whether the other side has ended the connection.
    private(set) var isOver = false

    /// Dials from an address of the loopback network, and shakes hands.
    init(_ portal: PeerAddress, from source: UInt16, as identity: Identity? = nil) throws {
        socket = try LoopbackSocket.dialling(portal.net.port, from: source)
        outer = try RawPeer(identity ?? .random(), to: portal.key, network: .scuttlebutt)
    }

    /// The key that was shown.
    var key: PublicKey { outer.key }

    /// Whether the handshake is done.
    var isOpen: Bool { outer.isOpen }

    /// How many bytes wait for the socket.
    var unsentByteCount: Int { unsent.readableBytes }

    // MARK: Bytes

    /// Writes and reads what is possible now; whether anything moved.
    @discardableResult
    func pump() throws -> Bool {
        guard !isOver else { return false }
        for (number, session) in sessions {
            if let bytes = session.nextOutbound() { sendBytes(bytes, on: number) }
        }
        var outbound = outer.nextOutbound() ?? ByteBuffer()
        if unsent.readableBytes == 0 { unsent = outbound } else { unsent.writeBuffer(&outbound) }
        do {
            return try write() || read()
        } catch {
            isOver = true
            return false
        }
    }

    private func write() throws -> Bool {
        guard unsent.readableBytes > 0 else { return false }
        let count = try unsafe unsent.withUnsafeReadableBytes { try unsafe socket.writeNow($0) }
        unsent.moveReaderIndex(forwardBy: count)
        if unsent.readableBytes == 0 { unsent = ByteBuffer() }
        sentByteCount += count
        return count > 0
    }

    private func read() throws -> Bool {
        guard reads || !isOpen, readAllowance > 0, let count = try socket.readNow(into: &scratch) else {
            return false
        }
        guard count > 0 else {
            isOver = true
            return false
        }
        if isOpen { readAllowance -= count }
        try outer.take(ByteBuffer(bytes: scratch.prefix(count)))
        for (header, body) in outer.takePackets() { take(header, body) }
        return true
    }

    private func take(_ header: PacketHeader, _ body: ByteBuffer) {
        if header.requestNumber > 0, header.isStream, !header.isEnd, header.bodyType == .json {
            opened.append(header.requestNumber)
        }
        if header.isEnd { refusedCount += 1 }
        guard header.isStream, header.bodyType == .binary, let session = sessions[-header.requestNumber]
        else {
            return
        }
        // A session that failed says nothing more.
        try? session.take(body)
        _ = session.takePackets()
    }

    // MARK: Packets

    /// A number for a call or stream of ours.
    func takeNumber() -> Int32 {
        lastNumber += 1
        return lastNumber
    }

    /// Calls a method of the portal.
    func call(_ name: String, _ arguments: String, isStream: Bool = false) {
        let json = ByteBuffer(string: Self.request(name, arguments, isStream: isStream))
        send(Self.packet(json, type: .json, isStream: isStream, number: takeNumber()))
    }

    /// Sends a packet to the portal.
    func send(_ packet: ByteBuffer) { outer.send(boxes: Self.boxes(of: packet)) }

    /// Opens a tunnel; with a session inside it where that is wanted.
    @discardableResult
    func openTunnel(to target: PublicKey, at portal: PublicKey, as identity: Identity?) throws -> Int32 {
        let number = takeNumber()
        let argument = #"[{"portal":"\#(portal.id)","target":"\#(target.id)","instance":0}]"#
        outer.call(Self.request("tunnel.connect", argument, isStream: true), isStream: true, number: number)
        if let identity {
            sessions[number] = try RawPeer(identity, to: target, network: .scuttlebutt)
        }
        return number
    }

    /// The session in a tunnel.
    func session(_ tunnel: Int32) -> RawPeer? { sessions[tunnel] }

    /// Sends bytes on a stream of the portal's, as packets that fit one box each.
    func sendBytes(_ bytes: ByteBuffer, on number: Int32) {
        var rest = bytes
        var boxes: [ByteBuffer] = []
        while let piece = rest.readSlice(length: min(4053, rest.readableBytes)), piece.readableBytes > 0 {
            boxes.append(Self.packet(piece, number: number))
        }
        outer.send(boxes: boxes)
    }

    /// A binary packet of a stream.
    static func packet(_ body: ByteBuffer, number: Int32) -> ByteBuffer {
        packet(body, type: .binary, number: number)
    }

    /// A packet of a stream.
    static func packet(
        _ body: ByteBuffer, type: BodyType, claiming claimed: Int? = nil, isStream: Bool = true, number: Int32
    ) -> ByteBuffer {
        var packet = ByteBuffer()
        packet.writePacketHeader(
            PacketHeader(
                bodyType: type, isStream: isStream, bodyByteCount: UInt32(claimed ?? body.readableBytes),
                requestNumber: number))
        packet.writeImmutableBuffer(body)
        return packet
    }

    /// Cuts a packet into bodies of boxes.
    static func boxes(of packet: ByteBuffer) -> [ByteBuffer] {
        var rest = packet
        var boxes: [ByteBuffer] = []
        while let piece = rest.readSlice(length: min(4053, rest.readableBytes)), piece.readableBytes > 0 {
            boxes.append(piece)
        }
        return boxes
    }

    /// The JSON of a call.
    static func request(_ name: String, _ arguments: String, isStream: Bool) -> String {
        let parts = name.split(separator: ".").map { "\"\($0)\"" }.joined(separator: ",")
        return #"{"name":[\#(parts)],"args":\#(arguments),"type":"\#(isStream ? "duplex" : "async")"}"#
    }

    /// Ends it at once.
    func cut() { socket.cut() }
}
