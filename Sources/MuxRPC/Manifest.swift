internal import NIOCore

/// The methods that a session offers its peer, by name.
///
/// It is also the answer to `manifest`, which Go peers call first on every connection and wait for.
public struct Manifest: Equatable, Sendable {
    private let kinds: [String: MethodKind]
    /// How long the bodies of calls may be, and of those methods that need another length.
    private var bodyLimit: (byteCount: Int, methods: [String: Int])?
    /// The async methods whose calls are handed out unread where they are longer than calls of others may be.
    private var unreadMethods: Set<String> = []

    /// The answer to `manifest`: a tree of names with kinds for leaves, `{"tunnel":{"connect":"duplex"}}`.
    ///
    /// Source of the form: go-ssb-room, roomsrv/manifest.go.
    public let tree: JSONValue

    /// A manifest of methods with names like `tunnel.connect`, listed in this order.
    public init(_ methods: [(name: String, kind: MethodKind)]) {
        kinds = Dictionary(methods.map { ($0.name, $0.kind) }) { _, last in last }
        tree = methods.reduce([:]) { tree, method in
            let parts = method.name.split(separator: ".").map(String.init)
            return Self.inserting(method.kind, at: parts[...], into: tree)
        }
    }

    /// What the named method is, or `nil` where it is not offered; `manifest` itself always is.
    ///
    /// A part that contains a dot names nothing: joined with the others it could pass for another method.
    public func kind(of name: [String]) -> MethodKind? {
        guard name != Self.ownName else { return .sync }
        guard name.allSatisfy({ !$0.utf8.contains(UInt8(ascii: ".")) }) else { return nil }
        return kinds[name.joined(separator: ".")]
    }

    /// The same methods, whose calls may have bodies of so many bytes, and of more where a method is named.
    ///
    /// A longer body is skipped as it arrives, and the call is answered with an error. What a method needs counts only
    /// where the call names it in its first ``PacketReader/beginningByteCount`` bytes. Without such limits, every call
    /// may have ``Limits/jsonBodyByteCount``.
    public func limitingBodies(to byteCount: Int, _ methods: [String: Int] = [:]) -> Manifest {
        var manifest = self
        manifest.bodyLimit = (byteCount, methods)
        return manifest
    }

    /// The same methods, of which these async ones have calls handed out with ``Request/unreadBody`` where they are
    /// longer than those of others may be: reading them takes too long for an event loop.
    package func leavingUnread(_ methods: Set<String>) -> Manifest {
        var manifest = self
        manifest.unreadMethods = methods
        return manifest
    }

    /// The name of a call that is to be handed out unread.
    func nameOfUnread(_ body: ByteBuffer, _ header: PacketHeader) -> [String]? {
        guard !unreadMethods.isEmpty, let bodyLimit, body.readableBytes > bodyLimit.byteCount,
            header.bodyType == .json, !header.isStream,
            let beginning = body.getSlice(
                at: body.readerIndex, length: min(body.readableBytes, PacketReader.beginningByteCount)),
            let name = Call.name(in: beginning), unreadMethods.contains(name.joined(separator: "."))
        else { return nil }
        return kind(of: name)?.callKind == .async ? name : nil
    }

    /// How long the body of any call may be, in bytes; `nil` where bodies are not limited by what they call.
    var anyBodyByteCount: Int? { bodyLimit?.byteCount }

    /// How long the body of a call of that name may be, in bytes; `nil` where bodies are not limited so.
    func bodyByteCount(ofCall name: [String]?) -> Int? {
        guard let bodyLimit else { return nil }
        guard let name, kind(of: name) != nil else { return bodyLimit.byteCount }
        return max(bodyLimit.byteCount, bodyLimit.methods[name.joined(separator: ".")] ?? 0)
    }

    /// Whether they offer the same methods, with the same limits.
    public static func == (left: Manifest, right: Manifest) -> Bool {
        left.kinds == right.kinds && left.tree == right.tree
            && left.bodyLimit?.byteCount == right.bodyLimit?.byteCount
            && left.bodyLimit?.methods == right.bodyLimit?.methods
            && left.unreadMethods == right.unreadMethods
    }

    /// The method that asks for the manifest.
    static let ownName = ["manifest"]

    private static func inserting(
        _ kind: MethodKind, at path: ArraySlice<String>, into tree: JSONValue
    ) -> JSONValue {
        guard let key = path.first else { return .string(kind.rawValue) }
        var object = tree.object ?? JSONObject()
        object[key] = inserting(kind, at: path.dropFirst(), into: object[key] ?? .null)
        return .object(object)
    }
}

extension Manifest: ExpressibleByDictionaryLiteral {
    /// A manifest of methods with names like `tunnel.connect`, listed in this order.
    public init(dictionaryLiteral methods: (String, MethodKind)...) {
        self.init(methods.map { (name: $0.0, kind: $0.1) })
    }
}
