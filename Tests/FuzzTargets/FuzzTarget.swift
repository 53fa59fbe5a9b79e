/// What is fuzzed: a part of the program that reads what a stranger wrote.
///
/// Each target takes any bytes. It traps where the program would, and where one of its promises does not hold; what it
/// is given and refuses is fine. The same functions replay the corpus in the tests.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// Both halves of the handshake, against genuine messages with bytes changed.
    case handshake
    /// Frames of a box stream, genuine ones with bytes changed, in any pieces.
    case boxstream
    /// Packets of muxrpc in any pieces, and what the session makes of them.
    case muxrpc
    /// The JSON of calls.
    case json
    /// Addresses in every form.
    case addresses
    /// Invite codes, as text and as bytes with a right checksum.
    case codes
    /// A keyring's file with bytes changed, meta pages and records alike.
    case keyring
    /// What a proxy says in front of a connection.
    case proxy
    /// A portal's connections, after real handshakes, with packets and times.
    case portal
    /// A node's connection to a portal, and sessions inside its tunnels.
    case endpoint
    /// A machine of a cluster, and messages of others that hold its keys.
    case cluster
    /// The links of a machine to others, after real handshakes.
    case link

    /// Runs the target once.
    package func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        switch self {
        case .handshake: HandshakeFuzz.run(&input)
        case .boxstream: BoxStreamFuzz.run(&input)
        case .muxrpc: MuxRPCFuzz.run(&input)
        case .json: JSONFuzz.run(input.rest())
        case .addresses: AddressFuzz.run(input.restAsText())
        case .codes: CodeFuzz.run(&input)
        case .keyring: KeyringFuzz.run(&input)
        case .proxy: ProxyFuzz.run(&input)
        case .portal: PortalFuzz.run(&input)
        case .endpoint: EndpointFuzz.run(&input)
        case .cluster: ClusterFuzz.run(&input)
        case .link: LinkFuzz.run(&input)
        }
    }
}

/// The fuzzer's bytes, read as decisions; when they are used up every decision is zero.
struct FuzzInput {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    var isEmpty: Bool { bytes.isEmpty }

    mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }

    mutating func choice(_ count: Int) -> Int { Int(byte()) % count }

    /// A number of two bytes.
    mutating func number() -> Int { Int(byte()) << 8 | Int(byte()) }

    mutating func take(_ count: Int) -> [UInt8] {
        defer { bytes = bytes.dropFirst(count) }
        return Array(bytes.prefix(count))
    }

    mutating func rest() -> [UInt8] { take(bytes.count) }

    mutating func restAsText() -> String { String(decoding: rest(), as: UTF8.self) }

    /// Changes a few bytes of a genuine message, or cuts it off.
    mutating func spoil(_ message: [UInt8]) -> [UInt8] {
        var message = message
        let changes = choice(4)
        for _ in 0..<changes where !message.isEmpty {
            message[number() % message.count] ^= byte()
        }
        if changes == 3 { message.removeLast(min(message.count, choice(40))) }
        return message
    }

    /// Cuts bytes into pieces, so that every reader meets every border.
    mutating func pieces(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        let size = choice(5) == 0 ? 1 + number() % 200 : max(1, bytes.count)
        return stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
    }
}
