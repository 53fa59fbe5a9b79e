import PeerSupport
import SecretHandshake
import TestSupport
import Testing
import TypedSodium

/// Our handshake and box stream against PyPI's secret-handshake 0.1.0.dev3, in both roles.
///
/// Each end sends ten megabytes while it receives as much, compares hashes, and says goodbye.
@Suite("secret-handshake, the Python package", .serialized, .timeLimit(.minutes(2)))
struct SecretHandshakePackageTests {
    private static let byteCount = 10_000_000

    private let network: FixedBytes<32>
    private let peerSeed: [UInt8]
    private let payload: [UInt8]
    private let own, peer: Identity
    private let deadline = ContinuousClock.now.advanced(by: .seconds(60))

    init() throws {
        var random = SeededRandom(seed: 0x1237)
        network = try FixedBytes(random.bytes(32))
        own = try Self.identity(random.bytes(32))
        peerSeed = random.bytes(32)
        peer = try Self.identity(peerSeed)
        // A prime length, so that no two frames hold the same; ten random megabytes would take long to draw.
        let block = random.bytes(100_003)
        payload = (0..<Self.byteCount).map { block[$0 % block.count] }
    }

    private static func identity(_ seed: [UInt8]) throws -> Identity {
        try Identity(seed: SecretKey(copying: seed.span))
    }

    @Test("we dial the package")
    func client() throws {
        let process = try PythonPeer(order(.server))
        let socket = try LoopbackSocket.dialling(process.port(), until: deadline)
        let handshake = try ClientHandshake(
            network: NetworkIdentifier(network), identity: own, server: peer.publicKey,
            ephemeral: .random())
        let keys = try handshake.run(over: socket)
        let tally = try BoxConversation(socket, keys: keys).exchange(payload, seed: 1)
        try check(tally, against: process.report())
    }

    @Test("the package dials us")
    func server() throws {
        let listener = try LoopbackSocket.listening(until: deadline)
        let process = try PythonPeer(order(.client, port: listener.port))
        #expect(try process.port() == listener.port)
        let socket = try listener.accepted()
        let keys = try handshake().run(over: socket, welcoming: peer.publicKey)
        let tally = try BoxConversation(socket, keys: keys).exchange(payload, seed: 2)
        try check(tally, against: process.report())
    }

    @Test("the package hears nothing when its identity is not welcome")
    func unwelcome() throws {
        let listener = try LoopbackSocket.listening(until: deadline)
        let process = try PythonPeer(order(.client, port: listener.port))
        #expect(try process.port() == listener.port)
        #expect(throws: UnwelcomeClient.self) {
            let socket = try listener.accepted()
            _ = try handshake().run(over: socket, welcoming: own.publicKey)
        }
        let failure = #expect(throws: PythonPeer.Failure.self) { try process.report() }
        #expect(failure?.description.contains("0 bytes read on a total of 80 expected bytes") == true)
    }

    private func handshake() -> ServerHandshake {
        ServerHandshake(network: NetworkIdentifier(network), identity: own, ephemeral: .random())
    }

    private func order(_ role: PythonPeer.Order.Role, port: UInt16 = 0) -> PythonPeer.Order {
        PythonPeer.Order(
            role: role, port: port, network: network.array.hex, seed: peerSeed.hex,
            peer: own.publicKey.bytes.array.hex, byte_count: Self.byteCount)
    }

    /// Whether either end got what the other sent, all of it, and the goodbye with nothing behind.
    private func check(_ tally: BoxConversation.Tally, against report: PythonPeer.Report) throws {
        #expect(report.peer == own.publicKey.bytes.array.hex)
        #expect(report.received == tally.sent)
        #expect(report.received_byte_count == Self.byteCount)
        #expect(report.sent == tally.received)
        #expect(tally.receivedByteCount == Self.byteCount)
        #expect(report.said_goodbye)
        #expect(report.bytes_behind_goodbye == 0)
    }
}
