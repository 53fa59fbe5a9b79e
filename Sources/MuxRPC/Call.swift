internal import NIOCore

/// The body of a packet that calls a method or opens a stream.
struct Call: Equatable {
    /// The name's parts; empty where the body has none, which no manifest allows.
    let name: [String]
    /// The arguments, or `nil` where they are no array.
    let arguments: [JSONValue]?
    /// What `type` says; `nil` where it is absent.
    let type: String?

    /// Reads a body; `nil` where it is no JSON object.
    init?(_ body: ByteBuffer, type bodyType: BodyType?) {
        guard bodyType == .json, let value = try? JSONValue(body: body), let object = value.object
        else { return nil }
        name = Self.name(in: object["name"] ?? .null)
        arguments = object["args"]?.array
        type = object["type"]?.string
    }

    /// The name of the call that a body begins, where the beginning shows it.
    static func name(in beginning: ByteBuffer) -> [String]? {
        var parser = JSONParser(valueLimit: PacketReader.beginningByteCount)
        let value = try? parser.member("name", beginning.readableBytesUInt8Span)
        return value.map(name(in:))
    }

    /// Both JavaScript and Go write the name of `manifest` as a bare string.
    private static func name(in value: JSONValue) -> [String] {
        let parts = value.array ?? [value]
        let strings = parts.compactMap(\.string)
        return strings.count == parts.count ? strings : []
    }

    /// Whether these are the members of a call and not of some other object on a stream.
    var isWellFormed: Bool { !name.isEmpty && arguments != nil }

    /// The body of a call of ours, in the order in which JavaScript writes it.
    ///
    /// Async calls carry no `type`: Go ends the session at `sync`, and everybody takes none for async.
    static func body(name: [String], arguments: [JSONValue], kind: CallKind) -> JSONValue {
        var body: JSONValue = ["name": .array(name.map { .string($0) }), "args": .array(arguments)]
        if kind.isStream { body["type"] = .string(kind.rawValue) }
        return body
    }

    /// How the call was made, in a packet with or without the stream flag.
    ///
    /// - Throws: the message of the error to answer with.
    func kind(isStream: Bool) throws(RemoteError) -> CallKind {
        if isStream {
            guard let kind = CallKind(rawValue: type ?? ""), kind.isStream else {
                throw RemoteError(
                    "unknown stream type:\(RemoteError.cut(type ?? "", to: Self.textByteLimit))")
            }
            return kind
        }
        switch type ?? "" {
        case "", "async", "sync": return .async
        default: throw RemoteError("no \(RemoteError.cut(type ?? "", to: Self.textByteLimit)):\(joinedName)")
        }
    }

    /// The name as JavaScript's errors have it, joined with commas, cut so that an error stays short and keeps
    /// its end: clients look for `not in list of allowed methods` there.
    var joinedName: String {
        RemoteError.cut(name.joined(separator: ","), to: Self.textByteLimit)
    }

    private static let textByteLimit = 256
}
