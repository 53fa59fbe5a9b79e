import Glibc
import MuxRPC
import NIOCore
import NIOPosix
import Node
import Testing
import Transport
import Tunnel
import TypedSodium

@Suite("Errors of libraries in words")
struct ErrorWordsTests {
    private struct Foreign: Error, CustomStringConvertible {
        let description = "Foreign.failed(errno: 5)"
    }

    private static let errors: [any Error] =
        [
            IOError(errnoCode: EACCES, reason: "bind(descriptor:ptr:bytes:)"),
            IOError(errnoCode: EIO, reason: "read(descriptor:pointer:size:)"),
            ChannelError.connectTimeout(.seconds(10)), ChannelError.ioOnClosedChannel, ChannelError.eof,
            ChannelError.inappropriateOperationForState, EventLoopError.shutdown,
            SocketAddressError.unsupported, SocketAddressError.failedToParseIPString("x"),
            SocketAddressError.unixDomainSocketPathTooLong, CancellationError(), Foreign(),
            MuxRPCError.closed, MuxRPCError.queueFull(limit: 5), MuxRPCError.bodyTooLong(7, limit: 5),
            SessionFailure.lost, SessionFailure.refused(answered: true),
            SessionFailure.targetNotThere("gone"),
            StreamFailure.truncated, StreamFailure.remote("no"), DialFailure.session(.timedOut),
            SodiumError.outOfGuardedMemory, SodiumError.wrongByteCount(3, expected: 32),
        ]

    @Test("nothing of a type, a call or a number shows", arguments: errors.indices)
    func words(_ index: Int) {
        let text = ErrorWords.text(of: Self.errors[index])
        #expect(!text.isEmpty && !text.contains("errno") && !text.contains("descriptor:"), "\(text)")
        #expect(!text.contains("Error.") && !text.contains("Failure.") && !text.contains("Error("), "\(text)")
        #expect(!text.hasPrefix("."))
    }

    @Test("a remote error is its message, once")
    func remote() {
        #expect(ErrorWords.text(of: RemoteError("no such method")) == "no such method")
        #expect(ErrorWords.text(of: DialFailure.unreachable(RemoteError("no answer"))) == "no answer")
    }

    @Test("a name that nobody knows is named, in connecting and in listening")
    func unknownName() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let host = "no-such-name.invalid"
        do {
            _ = try await ClientBootstrap(group: group).connect(host: host, port: 1).get()
            Issue.record("connected")
        } catch {
            #expect(ErrorWords.text(of: error).contains(host), "\(ErrorWords.text(of: error))")
        }
        do {
            _ = try await ServerBootstrap(group: group).bind(host: host, port: 0).get()
            Issue.record("bound")
        } catch {
            #expect(ErrorWords.text(of: error).contains(host), "\(ErrorWords.text(of: error))")
        }
    }
}
