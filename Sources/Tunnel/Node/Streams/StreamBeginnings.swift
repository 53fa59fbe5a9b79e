internal import Account
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// How streams begin that this node opens, or echoes.
extension PeerStreams {
    // MARK: Echoes

    /// A grant first means that the caller speaks credit.
    static func echo(firstPacket body: ByteBuffer, _ type: BodyType, at place: ServicePlace) -> End {
        guard type == .json, let json = try? JSONValue(body: body), json["credit"] != nil else {
            return .bareEcho
        }
        return .service(ServiceStream(isOpener: false, localEnd: .echo, place: place))
    }

    /// Sends back as much as the caller reads, and keeps as much as there is room for.
    func echo(_ body: ByteBuffer, _ type: BodyType, on stream: StreamID) {
        if !echoes.isWaiting(stream), body.readableBytes <= unread.echoRoom {
            return sendBack(body, type, on: stream)
        }
        guard let held = echoes.heldByteCount(of: stream, with: body, type),
            let place = place(of: stream), pay(for: ServicePlace.ownByteCount + held, at: place.open)
        else { return abort(stream, message: NodeErrorText.echoUnread) }
        echoes.append(body, type, on: stream)
    }

    private func sendBack(_ body: ByteBuffer, _ type: BodyType, on stream: StreamID) {
        unread.add(echo: body.readableBytes)
        switch type {
        case .binary: secure.send(body, on: stream)
        case .json: if let json = try? JSONValue(body: body) { send(json, on: stream) }
        case .string: send(.string(String(buffer: body)), on: stream)
        }
    }

    /// The peer has read more: what waits for that may go.
    func resumeEchoes() {
        while let (stream, type, body) = echoes.next(upTo: unread.echoRoom) {
            // Less than before always has room.
            _ = place(of: stream)?.open.holding.pay(
                for: ServicePlace.ownByteCount + echoes.heldByteCount(of: stream))
            sendBack(body, type, on: stream)
        }
    }

    // MARK: What we open

    /// Opens a stream with credit; an echo's caller says so with its first packet.
    func openService(_ service: ServiceRequest) throws(MuxRPCError) -> StreamKey {
        let stream = try secure.muxrpc.open(.duplex, service.method, service.arguments)
        let (key, place) = try ownPlace(for: stream)
        let local = ServiceStream(isOpener: true, localEnd: .connected, place: place)
        if service == .echo { send(grants: local.openingGrant(), on: stream) }
        insert(.service(local), as: key, at: place)
        return key
    }

    /// Opens a stream whose packets the owner wants to see one by one.
    func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue]
    ) throws(MuxRPCError) -> StreamKey {
        let (key, place) = try ownPlace(for: try secure.muxrpc.open(kind, name, arguments))
        insert(.items, as: key, at: place)
        return key
    }

    /// The place of a stream that we have opened, which takes none that is a peer's to fill; without one it is ended.
    private func ownPlace(for stream: StreamID) throws(MuxRPCError) -> (StreamKey, ServicePlace) {
        do {
            return try takePlace(for: stream, [])
        } catch {
            secure.muxrpc.end(stream)
            throw .queueFull(limit: payer.bytes.capacity)
        }
    }
}
