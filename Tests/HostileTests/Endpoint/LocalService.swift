import Foundation
import NIOCore
import NIOPosix
import Testing

/// A service on this machine that reads what it gets, or reads nothing.
package final class LocalService: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    static func listen(reads: Bool, on group: any EventLoopGroup) async throws -> UInt16 {
        let channel = try await ServerBootstrap(group: group)
            .childChannelOption(.autoRead, value: reads)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LocalService())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return UInt16(channel.localAddress?.port ?? 0)
    }

    /// One at which nobody gets through: its queue is full, and connections wait for an answer.
    static func listenWithoutAccepting(on group: any EventLoopGroup) async throws -> UInt16 {
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.autoRead, value: false)
            .serverChannelOption(.backlog, value: 0)
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(channel.localAddress)
        _ = try await ClientBootstrap(group: group).connect(to: address).get()
        return UInt16(address.port ?? 0)
    }

    /// One that ends its side of each connection at once, and reads nothing; a local socket takes 200 KiB.
    static func listenDeaf(ended: StreamCounter, on group: any EventLoopGroup) async throws -> String {
        let name = "cway-\(UInt64.random(in: 0 ... .max)).sock"
        let path = FileManager.default.temporaryDirectory.appending(path: name).path
        _ = try await ServerBootstrap(group: group)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.closeFuture.whenComplete { _ in ended.append("closed") }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DeafEnd())
                }
            }
            .bind(unixDomainSocketPath: path).get()
        return path
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
}

@available(*, unavailable)
extension LocalService: Sendable {}

private final class DeafEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelActive(context: ChannelHandlerContext) { context.close(mode: .output, promise: nil) }
}

@available(*, unavailable)
extension DeafEnd: Sendable {}
