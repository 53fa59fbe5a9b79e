import Blinding
import Multiserver
import MuxRPC
import NIOCore
import NIOPosix
import PeerSupport
import PortalCore
import SecretHandshake
import SecureSession
import Tunnel
import TypedSodium

/// A portal inside the process of the test that knows its trade, and lies as it is told to.
final class LyingPortal: Sendable {
    /// It was to speak on a connection that is gone.
    struct NoConnection: Error {}

    /// Whom a call is for, and whom it is said to be from.
    struct Passed: Sendable {
        var target: String
        var origin: JSONValue
    }

    /// How it answers; until it is told otherwise, as an honest one does.
    struct Manner: Sendable {
        /// What it answers to `room.metadata`; `nil` for the error of a portal that has no such method.
        var metadata: JSONValue? = MetadataMethod.metadata(name: "liar", isMember: false)
        /// Whether `room.metadata` is answered at all.
        var answersMetadata = true
        /// What becomes of a client's call on its way to the endpoint.
        var passOn: @Sendable (Passed) -> Passed = { $0 }
    }

    /// What a hidden endpoint has announced.
    struct Announcement: Sendable {
        let connection: Int
        let isHidden: Bool
        let tokens: [PairToken]
    }

    /// All that the portal got to know, by the numbers of its connections.
    struct Seen: Sendable {
        var peers: [Int: PublicKey] = [:]
        var requests: [Int: [String]] = [:]
        var ended: Set<Int> = []
        var announcements: [Announcement] = []
        /// Whom clients asked for, and what each of them then said inside the tunnel.
        var targets: [String] = []
        var said: [[ByteBuffer]] = []
    }

    let identity: Identity
    let peer: PeerAddress
    let manner: Watched<Manner>
    let seen: Watched<Seen>
    private let listener: any Channel
    private let board: NIOLoopBound<LiarSwitchboard>

    static let network = NetworkIdentifier.scuttlebutt

    /// Starts one that listens on a port of the system's choice.
    private init() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let (identity, manner, seen) = (try Identity.random(), Watched(Manner()), Watched(Seen()))
        let board = try await loop.submit {
            NIOLoopBound(
                LiarSwitchboard(portal: identity.publicKey, manner: manner, seen: seen), eventLoop: loop)
        }.get()
        listener = try await ServerBootstrap(group: loop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let session = SecureSession(
                        answeringAs: identity, network: Self.network, manifest: PortalMethods.manifest)
                    let owner = board.value
                    let wire = LiarWire(session, number: owner.makeNumber(), owner: owner)
                    try channel.pipeline.syncOperations.addHandler(wire)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(listener.localAddress?.port ?? 0)
        peer = PeerAddress(net: try NetAddress(host: "127.0.0.1", port: port), key: identity.publicKey)
        (self.identity, self.manner, self.seen, self.board) = (identity, manner, seen, board)
    }

    /// Runs a body with one, and closes all its connections then.
    static func run<Value>(_ body: (LyingPortal) async throws -> Value) async throws -> Value {
        let portal = try await LyingPortal()
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(portal))
        } catch {
            result = .failure(error)
        }
        try? await portal.listener.close()
        try await portal.cutAll()
        return try result.get()
    }

    /// Its address, for `cway portals add`.
    var address: String { "\(peer)" }

    /// Breaks every connection.
    func cutAll() async throws {
        try await board.eventLoop.submit { [board] in board.value.cutAll() }.get()
    }

    /// The announcement of that number, the first being 1, once it is there.
    func announcement(_ number: Int = 1) async throws -> Announcement {
        try await seen.first { $0.announcements.count >= number ? $0.announcements[number - 1] : nil }
    }

    /// Calls the endpoint on a connection, and awaits how that ends.
    func call(_ call: LiarCall.Order, on connection: Int) async throws -> LiarCall.Outcome {
        let loop = board.eventLoop
        let promise = loop.makePromise(of: LiarCall.Outcome.self)
        loop.execute { [board] in
            do {
                let wire = try board.value.wire(connection)
                let argument = board.value.argument(call.target, origin: call.origin)
                try LiarCall(call, on: wire, promise: promise).start(argument)
            } catch {
                promise.fail(error)
            }
        }
        return try await promise.futureResult.get()
    }
}
