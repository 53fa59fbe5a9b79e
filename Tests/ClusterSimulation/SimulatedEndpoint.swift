import Blinding
package import NIOCore
package import PortalCore
package import TypedSodium

/// An endpoint of a simulation: announced at one portal at a time, and elsewhere when that one is gone.
package struct SimulatedEndpoint: Sendable {
    /// Where a connection of it ends.
    package struct Attachment: Equatable, Sendable {
        package let portal: Int
        package let connection: ConnectionID
        /// Since when it is announced there.
        package let since: NIODeadline
    }

    /// What it is known by.
    package let key: PublicKey
    /// Whether it announces tokens.
    package let isHidden: Bool
    /// Where it is announced.
    package internal(set) var attachment: Attachment?
    /// The day of its tokens.
    var day: UInt64 = 0
    /// Counts its ways to a portal, so that what belongs to an older one is recognised.
    var attempt = 0
    /// It stays away after it was told that another has its place.
    var awayUntil: NIODeadline?

    init(_ index: Int, isHidden: Bool) {
        key = PublicKey(Self.bytes(UInt64(index), purpose: 1))
        self.isHidden = isHidden
    }

    /// The tokens that an endpoint announces on a day.
    static func tokens(of index: Int, count: Int, day: UInt64) -> [PairToken] {
        (0..<count).map { PairToken(token(of: index, $0, day: day)) }
    }

    /// One of those tokens; a third is of the next day and stays when the day passes.
    static func token(of index: Int, _ number: Int, day: UInt64) -> FixedBytes<32> {
        bytes(UInt64(index) << 24 | UInt64(number / 3) << 8 | (day + UInt64(number % 3)) & 0xff, purpose: 2)
    }

    private static func bytes(_ number: UInt64, purpose: UInt64) -> FixedBytes<32> {
        var bytes = FixedBytes<32>()
        for word in 0..<4 {
            let mixed = SimulationRandom.mix(number &* 8 &+ UInt64(word) &+ purpose << 60)
            for byte in 0..<8 {
                bytes.storage[word * 8 + byte] = UInt8(truncatingIfNeeded: mixed >> (byte * 8))
            }
        }
        return bytes
    }
}
