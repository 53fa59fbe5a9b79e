import MuxRPC
import NIOCore
import NIOPosix
import SecretHandshake
import SecureSession
import TypedSodium

/// An end that listens and greets callers by name.
public struct GreetingServer: Sendable {
    /// Where it listens, on this machine.
    public let port: Int
    private let channel: any Channel

    /// Listens on a free port of this machine, and lets those in whose keys it is given.
    public init(as identity: Identity, friends: Set<PublicKey>) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let session = SecureSession(
                        answeringAs: identity, network: .scuttlebutt, manifest: ["greet": .async])
                    let handler = SessionHandler(session) { event, session in
                        switch event {
                        case .client(let client) where friends.contains(client): try session.accept()
                        case .client: session.refuse()
                        case .session(.request(let request)):
                            let name = request.arguments.first?.string ?? "stranger"
                            try session.muxrpc.reply(to: request.number, with: .string("hello, \(name)"))
                        default: break
                        }
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    /// Stops listening.
    public func close() async throws { try await channel.close() }
}

/// Dials a server of this machine, introduces itself and asks to be greeted.
///
/// - Throws: `ChannelError.eof` where the server ends the connection instead.
public func askForGreeting(
    of server: PublicKey, port: Int, as identity: Identity, name: String
) async throws -> String? {
    let greeted = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: String?.self)
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let session = try SecureSession(
                    dialling: server, as: identity, network: .scuttlebutt, manifest: [:])
                let handler = SessionHandler(session) { event, session in
                    switch event {
                    case .established: _ = try session.muxrpc.call(["greet"], [.string(name)])
                    case .session(.reply(_, .value(let greeting))):
                        greeted.succeed(greeting.string)
                        session.close()
                    default: break
                    }
                }
                try channel.pipeline.syncOperations.addHandler(handler)
            }
        }
        .connect(host: "127.0.0.1", port: port).get()
    channel.closeFuture.whenComplete { _ in greeted.fail(ChannelError.eof) }
    return try await greeted.futureResult.get()
}
