import Foundation
import Glibc
import NIOCore
import NIOPosix
import PeerSupport
import Testing

extension Integration {
    /// `connect --stdio` with everything that may stand at the process's edge.
    @Suite("Standard input and output of connect")
    struct PipeMatrixTests {
        private static let failed = CwayProcess.Ending.exit(25)

        private static func connect(
            _ input: FileHandle?, _ output: FileHandle?, in network: TestNetwork
        ) throws -> CwayProcess {
            let redirections = (input == nil ? " 0<&-" : "") + (output == nil ? " 1>&-" : "")
            return try network.stage.start(
                URL(fileURLWithPath: "/bin/sh"),
                [
                    "-c", "exec \"$0\" \"$@\"" + redirections, Cway.program().path, "connect", network.target,
                    "echo", "--stdio", "--portal", network.portal.address,
                ],
                environment: ["CWAY_HOME": network.stage.path("caller"), "CWAY_ALLOW_LOCAL": "true"],
                input: input, outputFile: output)
        }

        private static func tryOnce(
            _ input: InputKind, _ output: OutputKind, in network: TestNetwork
        ) async throws {
            let (file, arrived) = try output.open(on: network.stage)
            let process = try connect(try input.open(on: network.stage), file, in: network)
            let ending = try await process.end(within: .seconds(30))
            if input.isReadable, output.isWritable {
                #expect(ending == .exit(0), "\(input) \(output): \(process.log)")
                let text = try await arrived()
                #expect(text == InputKind.text, "\(input) \(output): \(text.count)")
            } else {
                #expect(ending == failed, "\(input) \(output): \(process.log)")
                #expect(process.log.hasPrefix("cway: standard "), "\(process.log)")
            }
        }

        @Test(
            "Everything arrives with code 0, or the code says that it did not", arguments: InputKind.allCases)
        func matrix(_ input: InputKind) async throws {
            try await Stage.run { stage in
                let echo = try await stage.service(.echo)
                let network = try await TestNetwork.start(on: stage, services: ["echo": echo.port])
                for output in OutputKind.allCases { try await Self.tryOnce(input, output, in: network) }
            }
        }

        @Test(
            "Nothing of that is a race", .timeLimit(.minutes(3)),
            arguments: OutputKind.allCases.filter { !$0.isWritable })
        func race(_ output: OutputKind) async throws {
            try await Stage.run { stage in
                let echo = try await stage.service(.echo)
                let network = try await TestNetwork.start(on: stage, services: ["echo": echo.port])
                for _ in 0..<20 { try await Self.tryOnce(.file, output, in: network) }
            }
        }

        @Test(
            "An input that cannot be read is no end for the service", arguments: [InputKind.folder, .closed])
        func service(_ input: InputKind) async throws {
            try await Stage.run { stage in
                let ends = Watched<[String]>([])
                let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                    .childChannelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(EndWatch(ends))
                        }
                    }.bind(host: "127.0.0.1", port: 0).get()
                let network = try await TestNetwork.start(
                    on: stage, services: ["echo": listener.localAddress?.port ?? 0])
                let process = try Self.connect(try input.open(on: stage), nil, in: network)
                #expect(try await process.end() == Self.failed, "\(process.log)")
                // Where the stream failed before the service was connected to, nobody asks it at all.
                try await network.endpoint.logLine(with: "service closed")
                #expect(ends.value.allSatisfy { $0 == "reset" }, "\(ends.value)")
                try await listener.close()
            }
        }
    }
}

/// Notes how a connection ends.
private final class EndWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let ends: Watched<[String]>

    init(_ ends: Watched<[String]>) { self.ends = ends }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { ends.update { $0.append("end") } }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ends.update { $0.append("reset") }
        context.close(promise: nil)
    }
}
