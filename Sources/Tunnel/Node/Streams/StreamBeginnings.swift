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
            sendBack(body, type, on: stream)
        } else if !echoes.append(body, type, on: stream, at: payer.bytes) {
            abort(stream, message: NodeErrorText.echoUnread)
        }
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
            sendBack(body, type, on: stream)
        }
    }

    // MARK: What we open

    /// Opens a stream with credit; an echo's caller says so with its first packet.
    func openService(_ service: ServiceRequest) throws(MuxRPCError) -> StreamKey {
        let place = try ownPlace()
        let stream = try secure.muxrpc.open(.duplex, service.method, service.arguments)
        let local = ServiceStream(isOpener: true, localEnd: .connected, place: place)
        if service == .echo { send(grants: local.openingGrant(), on: stream) }
        return insert(.service(local), on: stream, at: place)
    }

    /// Opens a stream whose packets the owner wants to see one by one.
    func openItems(
        _ kind: CallKind, _ name: [String], _ arguments: [JSONValue]
    ) throws(MuxRPCError) -> StreamKey {
        let place = try ownPlace()
        return insert(.items, on: try secure.muxrpc.open(kind, name, arguments), at: place)
    }

    private func ownPlace() throws(MuxRPCError) -> ServicePlace {
        do {
            return try .own(payer)
        } catch {
            throw .queueFull(limit: payer.bytes.capacity)
        }
    }
}
