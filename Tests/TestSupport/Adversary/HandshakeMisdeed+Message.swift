internal import SecretHandshake
internal import TypedSodium

extension HandshakeMisdeed {
    /// Which of its two messages a side spoils.
    func ordinal(isClient: Bool, _ random: inout SeededRandom) -> Int {
        switch self {
        case .otherNetwork, .weakKey: 1
        case .replayedHello: 2
        case .reflection: isClient ? 2 : 1
        case .garbage, .flippedBit, .earlyEnd, .silence: Int.random(in: 1...2, using: &random)
        }
    }

    /// What goes over the wire instead of a message.
    ///
    /// Never shorter than the message, where the connection stays: the other side gets something to judge.
    func bytes(
        insteadOf message: [UInt8], own hello: [UInt8], heard: [UInt8], network: NetworkIdentifier,
        _ random: inout SeededRandom
    ) -> [UInt8] {
        switch self {
        case .garbage: return random.bytes(message.count + Int.random(in: 0...500, using: &random))
        case .flippedBit:
            var message = message
            message[Int.random(in: message.indices, using: &random)] ^=
                1 << UInt8.random(in: 0...7, using: &random)
            return message
        case .earlyEnd: return Array(message.prefix(Int.random(in: 0..<message.count, using: &random)))
        case .silence: return []
        // Often enough to be two messages: the first may pass for a hello.
        case .reflection: return heard + heard + heard
        case .replayedHello: return hello + hello
        case .otherNetwork:
            var other = network.bytes
            other.storage[31] ^= 1
            return Self.hello(AgreementPublicKey(FixedBytes(message.span, at: 32)), NetworkIdentifier(other))
        case .weakKey: return Self.hello(AgreementPublicKey(FixedBytes()), network)
        }
    }

    /// Whether the connection ends behind it.
    var hangsUp: Bool { self == .earlyEnd }

    private static func hello(_ key: AgreementPublicKey, _ network: NetworkIdentifier) -> [UInt8] {
        ClientHello(ephemeralKey: key, network: network).bytes
    }
}
