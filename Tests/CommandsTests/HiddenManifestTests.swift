import Commands
import Multiserver
import MuxRPC
import NIOCore
import Node
import TestSupport
import Testing
import TypedSodium

@Suite("cway call, of a peer that shows no manifest", .timeLimit(.minutes(1)))
struct HiddenManifestTests {
    /// Its sources have two items, and its manifest says nothing of its methods.
    private static let peer = ScriptedPortal(manifest: manifest) { call, _ in
        switch call.name {
        case ["tunnel", "isRoom"]: .value(true)
        case ["blobs", "get"]: .bytes(ByteBuffer(repeating: 7, count: 100_000))
        default: .items(["one", "two"])
        }
    }

    private static let manifest: Manifest = {
        let sources = ["blobs.changes", "blobs.get", "its.own"].map { ($0, MethodKind.source) }
        let methods = sources + [("tunnel.isRoom", .async)]
        // In the tree a method that has others below it is no method, so that the answer says nothing of it.
        return Manifest((methods + methods.map { ($0.0 + ".more", $0.1) }).map { (name: $0.0, kind: $0.1) })
    }()

    private let folder = TemporaryPath()

    private func call(_ address: PeerAddress, _ arguments: String...) async -> CommandRun {
        await CommandRun(["call", "--home", folder.path, address.description] + arguments)
    }

    @Test("knows the methods that ssb programs have in common, and says what others may be")
    func kinds() async throws {
        try await Self.peer.run { address in
            let changes = await call(address, "blobs.changes")
            #expect(changes.ended(.success) && changes.output == "\"one\"\n\"two\"\n", "\(changes)")
            #expect(await call(address, "tunnel.isRoom").output == "true\n")
            let duplex = await call(address, "gossip.ping")
            #expect(duplex.ended(.usage) && duplex.complaints.contains("duplex"))

            let unknown = await call(address, "its.own")
            #expect(unknown.ended(.methodFailed), "\(unknown)")
            #expect(unknown.complaints.contains("no async:its,own: it may be a source, so try --source"))
            #expect(await call(address, "its.own", "--source").output == "\"one\"\n\"two\"\n")
            let wrong = await call(address, "tunnel.isRoom", "--source")
            #expect(wrong.ended(.methodFailed) && wrong.complaints.contains("leave out --source"))
        }
    }

    @Test("takes bytes of a source in pieces")
    func longBytes() async throws {
        try await Self.peer.run { address in
            let run = await call(address, "blobs.get", "\"&x\"")
            let pieces = [65536, 34464].map {
                "{\"base64\":\"\(Base64.text(of: [UInt8](repeating: 7, count: $0)))\"}\n"
            }
            #expect(run.ended(.success) && run.output == pieces.joined())
        }
    }
}
