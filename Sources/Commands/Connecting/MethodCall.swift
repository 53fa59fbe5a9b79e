internal import Connection
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import Node
internal import Transport
internal import Tunnel

/// One call of one method, whose answers are printed.
struct MethodCall: Sendable {
    let name: [String]
    let arguments: [JSONValue]
    /// How to call; `nil` to ask the peer's manifest.
    let kind: CallKind?
    /// After how many items to stop a source.
    let limit: Int?
    /// Whether a portal sees a key that is nobody's.
    let showsFreshKey: Bool

    /// Calls, and prints what comes.
    ///
    /// - Throws: ``CommandFailure``, ``HopFailure``.
    func run(on connection: PeerConnection) async throws {
        if connection.portal == nil { try await stayUnlisted(by: connection) }
        let kind = if let kind { kind } else { try await kindInManifest(of: connection) }
        switch kind {
        case .async:
            try CommandEnvironment.current.print(
                json: try await reply(to: name, arguments, of: connection).description)
        case .source:
            try await follow(connection)
        case .sink, .duplex:
            throw CommandFailure(
                .usage,
                "\(name.joined(separator: ".")) is a \(kind): only async methods and sources can be called")
        }
    }

    // MARK: Announcing

    /// Methods by which a peer announces itself at a portal, and lists that a portal may take for the same.
    ///
    /// Source of the second: docs/protocol.md, "At a portal".
    private static let announcement = Method.announce.name
    private static let lists = [Method.endpoints.name, Method.attendants.name]

    /// Sees that the portal does not list the key which it sees: nobody answers under that when the call is over.
    ///
    /// A portal of ours is told that this connection is hidden, with no token. One that does not know what that is gets
    /// to know a fresh key, which means nobody.
    private func stayUnlisted(by connection: PeerConnection) async throws {
        guard name != Self.announcement else {
            throw CommandFailure(.usage, "a call does not announce this node: run `cway serve`")
        }
        guard Self.lists.contains(name) else { return }
        if case .value(let metadata) = try await call(Method.metadata.name, [], of: connection),
            metadata["features"]?.array?.contains(.string(Feature.hiding.rawValue)) == true,
            case .value(.bool(true)) = try await call(
                Self.announcement, [["hidden": true, "tokens": []]], of: connection)
        {
            return
        }
        guard !showsFreshKey else { return }
        throw CommandFailure(
            .usage,
            "this portal may list whoever asks for \(name.joined(separator: ".")), and would list a key of this node: "
                + "leave out --real-id and --identify")
    }

    // MARK: Calling

    /// What the peer says of the method, or what everybody means by it where the peer says nothing; else async.
    private func kindInManifest(of connection: PeerConnection) async throws -> CallKind {
        let answer: Reply
        do {
            answer = try await call(["manifest"], [], of: connection)
        } catch HopFailure.connectionLost {
            // Nothing was done yet that must be done once.
            throw HopFailure.endedEarly(connection.dialled.net)
        }
        var tree = JSONValue.null
        if case .value(let manifest) = answer { tree = manifest }
        for part in name { tree = tree[part] ?? .null }
        let kind = tree.string.flatMap(MethodKind.init(rawValue:))?.callKind
        return kind ?? WellKnownMethods.kind(of: name) ?? .async
    }

    private func reply(
        to name: [String], _ arguments: [JSONValue], of connection: PeerConnection
    ) async throws -> JSONValue {
        switch try await call(name, arguments, of: connection) {
        case .value(let value): return value
        case .string(let text): return .string(text)
        case .binary(let bytes): return Self.json(of: bytes)
        case .failure(let error): throw failure(error)
        }
    }

    private func call(
        _ name: [String], _ arguments: [JSONValue], of connection: PeerConnection
    ) async throws -> Reply {
        do {
            let reply = try await connection.link.call(name, arguments, on: connection.session)
            if case .failure(let error) = reply, let busy = HopFailure(busy: error) { throw busy }
            return reply
        } catch let error as SessionFailure {
            throw HopFailure(error)
        } catch MuxRPCError.closed {
            throw HopFailure.endedEarly(connection.dialled.net)
        } catch let error as MuxRPCError {
            throw Self.failure(error)
        }
    }

    private func follow(_ connection: PeerConnection) async throws {
        var count = 0
        do {
            for try await item in connection.link.source(name, arguments, on: connection.session) {
                try CommandEnvironment.current.print(json: try json(of: item).description)
                count += 1
                if count == limit { return }
            }
        } catch let error as RemoteError {
            if count == 0, let busy = HopFailure(busy: error) { throw busy }
            throw failure(error)
        } catch let error as MuxRPCError {
            throw Self.failure(error)
        }
    }

    private func json(of item: SourceItem) throws(RemoteError) -> JSONValue {
        switch item.type {
        case .json:
            guard let value = try? JSONValue(parsing: item.body) else {
                throw RemoteError("an item is no JSON")
            }
            return value
        case .string: return .string(String(buffer: item.body))
        case .binary: return Self.json(of: item.body)
        }
    }

    private static func json(of bytes: ByteBuffer) -> JSONValue {
        ["base64": .string(Base64.text(of: Array(bytes.readableBytesView)))]
    }

    private func failure(_ error: RemoteError) -> CommandFailure {
        CommandFailure(
            .methodFailed, "\(name.joined(separator: ".")): \(RemoteWords.text(of: error.message))")
    }

    private static func failure(_ error: MuxRPCError) -> CommandFailure {
        switch error {
        case .bodyTooLong(let count, let limit):
            CommandFailure(.usage, "the arguments take \(count) bytes, and \(limit) are allowed: send less")
        case .notOpen, .tooManyOpen, .queueFull, .outOfNumbers, .closed:
            CommandFailure(.connectionLost, "the connection was closed before the call: try again")
        }
    }
}

/// How methods are called that ssb programs have in common, for peers that show no manifest.
///
/// JavaScript portals refuse `manifest` to strangers, and a source that is called as async is an error there.
///
/// Sources: the manifests of ssb-tunnel, ssb-room, go-ssb-room, ssb-gossip, ssb-blobs, ssb-db, ssb-ebt, ssb-invite.
enum WellKnownMethods {
    /// How the method of that name is called; `nil` for a name that is not known.
    static func kind(of name: [String]) -> CallKind? { kinds[name.joined(separator: ".")] }

    private static let kinds: [String: CallKind] = [
        "manifest": .async, "whoami": .async, "get": .async, "getAddress": .async,
        "tunnel.announce": .async, "tunnel.leave": .async, "tunnel.isRoom": .async, "tunnel.ping": .async,
        "tunnel.endpoints": .source, "tunnel.connect": .duplex,
        "room.metadata": .async, "room.attendants": .source, "room.members": .source, "room.connect": .duplex,
        "room.registerAlias": .async, "room.revokeAlias": .async, "room.listAliases": .async,
        "gossip.ping": .duplex, "invite.use": .async,
        "blobs.get": .source, "blobs.getSlice": .source, "blobs.changes": .source,
        "blobs.createWants": .source,
        "blobs.ls": .source, "blobs.add": .sink, "blobs.has": .async, "blobs.size": .async,
        "blobs.want": .async,
        "createHistoryStream": .source, "createFeedStream": .source, "createLogStream": .source,
        "createUserStream": .source, "createWantStream": .source, "messagesByType": .source, "links": .source,
        "ebt.replicate": .duplex,
        "service.list": .async, "service.open": .duplex, "echo": .duplex,
    ]
}

/// What peers of other programs say of a call that failed, in words for people.
package enum RemoteWords {
    /// The message without what programs put around it, and without the method's name, which is said already.
    ///
    /// Sources of the texts: ssbc/muxrpc, permissions.js and local-api.js; ssbc/go-muxrpc, errors.go; Node's `Error`.
    package static func text(of message: String) -> String {
        let isRefusal = refusals.contains { message.contains($0) }
        guard !isRefusal else { return "the peer offers no such method to this node" }
        var words = message[...]
        while let wrapping = wrappings.first(where: words.hasPrefix) {
            words = words.dropFirst(wrapping.count)
        }
        if words.hasPrefix("no async:") { return "\(words): it may be a source, so try --source" }
        if words.hasPrefix("no source:") {
            return "\(words): it may be an async method, so leave out --source"
        }
        return words.isEmpty ? message : String(words)
    }

    private static let refusals = [
        "is not in list of allowed methods", "no such method", "no such command", "not a function",
    ]
    private static let wrappings = ["Error: ", "Error - ", "muxrpc CallError: ", "muxrpc: "]
}
