internal import Connection
internal import MuxRPC
internal import NIOCore

/// `echo`: a friend gets back what it sends, with credit where its first packet is a grant.
enum Echo: NodeMethod {
    static let method = Method.echo
    static let kind = MethodKind.duplex

    static func isOffered(to caller: MethodCaller) -> Bool { caller.isFriend }

    static func answer(_ call: MethodCall) -> MethodAnswer { .echo }

    /// Whether the caller speaks credit, by its first packet.
    static func speaksCredit(firstPacket body: ByteBuffer, _ type: BodyType) -> Bool {
        guard type == .json, let json = try? JSONValue(body: body) else { return false }
        return json["credit"] != nil
    }
}
