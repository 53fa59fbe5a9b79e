import Foundation
import Glibc
import NIOCore
import NIOPosix
import PeerSupport
import Testing

@testable import Transport

@Suite("Sockets that are handed over")
struct InheritedSocketTests {
    private static func names(_ environment: [String: String]) throws(InheritedSocketError) -> [String] {
        try InheritedSocket.names(in: environment.merging(["LISTEN_PID": "7"]) { $0 + $1 }, of: 7)
    }

    @Test("are as many as the variables say, to the process that they name")
    func variables() throws {
        #expect(try Self.names([:]) == [])
        #expect(try Self.names(["LISTEN_FDS": "0"]) == [])
        #expect(try Self.names(["LISTEN_FDS": "2"]) == ["unknown", "unknown"])
        #expect(
            try Self.names(["LISTEN_FDS": "2", "LISTEN_FDNAMES": "portal:cway-portal.socket"]).count == 2)
        #expect(try Self.names(["LISTEN_FDS": "2", "LISTEN_PID": "1"]) == [], "another's")
        for count in ["", "-1", "two", "65", "99999999999999999999"] {
            #expect(throws: InheritedSocketError.badCount(count)) { try Self.names(["LISTEN_FDS": count]) }
        }
        #expect(throws: InheritedSocketError.badNames(1, of: 2)) {
            try Self.names(["LISTEN_FDS": "2", "LISTEN_FDNAMES": "portal"])
        }
    }

    @Test("have to be streams that listen")
    func kinds() throws {
        let connection = try Self.socket(SOCK_STREAM)
        let datagrams = try Self.socket(SOCK_DGRAM)
        defer { for descriptor in [connection, datagrams] { close(descriptor) } }
        for descriptor in [connection, datagrams] {
            #expect(throws: InheritedSocketError.notListening("portal")) {
                try InheritedSocket(descriptor, named: "portal")
            }
        }
        let file = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        #expect(throws: InheritedSocketError.notASocket("portal")) {
            try InheritedSocket(file, named: "portal")
        }
        #expect(throws: InheritedSocketError.notASocket("portal")) {
            try InheritedSocket(-1, named: "portal")
        }
    }

    @Test("accept connections, and stay open elsewhere when they are closed here", arguments: [true, false])
    func accepts(_ isNetwork: Bool) async throws {
        let path = NSTemporaryDirectory() + "cway-\(UUID().uuidString.prefix(8))"
        defer { _ = unsafe unlink(path) }
        let group = MultiThreadedEventLoopGroup.singleton
        let address =
            isNetwork
            ? try SocketAddress(ipAddress: "127.0.0.1", port: 0)
            : try SocketAddress(unixDomainSocketPath: path)
        let kept = try Self.socket(SOCK_STREAM, isNetwork ? AF_INET : AF_UNIX)
        defer { close(kept) }
        let status = unsafe address.withSockAddr { pointer, byteCount in
            unsafe bind(kept, pointer, socklen_t(byteCount))
        }
        try #require(status == 0 && listen(kept, 8) == 0)
        for _ in 0..<2 {
            let descriptor = dup(kept)
            let socket = try InheritedSocket(descriptor, named: "portal")
            #expect(socket.family == (isNetwork ? .network : .unix))
            #expect(fcntl(descriptor, F_GETFD) == FD_CLOEXEC)
            let accepted = Watched(0)
            let listener = try await Listener.start(over: InheritedAcceptor(socket), group: group) {
                channel in
                accepted.update { $0 += 1 }
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            let bound = try #require(listener.addresses.first)
            #expect((bound.port ?? 0 > 0) == isNetwork)
            let connection = try await ClientBootstrap(group: group).connect(to: bound).get()
            try await accepted.first { $0 > 0 ? () : nil }
            try await connection.close()
            await listener.close()
            // It listens, though nobody accepts: the next one will.
            try await ClientBootstrap(group: group).connect(to: bound).get().close()
        }
    }

    private static func socket(_ kind: __socket_type, _ family: CInt = AF_INET) throws -> CInt {
        let descriptor = Glibc.socket(family, CInt(kind.rawValue), 0)
        try #require(descriptor >= 0)
        return descriptor
    }
}
