import Blinding
import MuxRPC
import PortalCore
import TestSupport
import Tunnel
import TypedSodium

/// A directory of the hidden and those who announce there, with a seed.
struct HiddenWorld {
    var random: SeededRandom
    var directory: HiddenDirectory

    init(seed: UInt64, _ change: (inout TokenLimits) -> Void = { _ in }) {
        var limits = TokenLimits()
        change(&limits)
        random = SeededRandom(seed: seed)
        directory = HiddenDirectory(limits: limits)
    }

    mutating func tokens(_ count: Int) throws -> [PairToken] {
        try (0..<count).map { _ in PairToken(try FixedBytes(random.bytes(32).span)) }
    }

    /// An announcer on the connection of a number, with the key of that or another number.
    func announcer(
        _ number: UInt64, key: UInt64? = nil, source: String = "a", isMember: Bool = false
    ) throws -> HiddenDirectory.Announcer {
        var keys = SeededRandom(seed: 1000 + (key ?? number))
        let key = PublicKey(try FixedBytes(keys.bytes(32).span))
        return HiddenDirectory.Announcer(
            ConnectionID(number), key: key, source: source, isMember: isMember)
    }

    mutating func begin(
        _ tokens: some Sequence<PairToken>, by announcer: HiddenDirectory.Announcer
    ) throws -> HiddenDirectory.Beginning {
        let values = tokens.map { JSONValue.string($0.base64) }
        return try directory.begin(HiddenAnnouncement(values, limit: .max), by: announcer)
    }

    mutating func finish(_ announcer: HiddenDirectory.Announcer) {
        while directory.insert(256, on: announcer.connection) {}
        _ = directory.finish(announcer.connection)
    }

    mutating func announce(
        _ tokens: some Sequence<PairToken>, by announcer: HiddenDirectory.Announcer
    ) throws {
        if try begin(tokens, by: announcer) != .unchanged { finish(announcer) }
        directory.forget(.max)
    }

    /// The numbers of the connections that a token finds.
    func found(_ token: PairToken, by key: PublicKey? = nil) -> [UInt64] {
        directory.connections(of: token, provedBy: key).map(\.value)
    }
}
