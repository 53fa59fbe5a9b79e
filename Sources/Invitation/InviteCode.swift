package import Blinding
package import TypedSodium

/// An invite: one line of text that makes its reader a friend of an endpoint.
///
/// `cway-invite-1.` and base64url, without padding, of the following; numbers are big-endian.
///
/// | bytes | field                                                                   |
/// |-------|-------------------------------------------------------------------------|
/// | 1     | version, 1                                                              |
/// | 32    | T, the endpoint's key                                                   |
/// | 32    | seed of the invite's key pair                                           |
/// | 8     | expiry in Unix seconds, below 2⁵³; 0 for none                           |
/// | 1     | number of portals, 1 to 8                                               |
/// |       | for each: flags (1; bit 0 = open), key (32), where hidden the key that  |
/// |       | is shown there (32), length of host (1), host, port (2)                 |
/// | 4     | start of `H("companionway/1/invite", all before)`                       |
///
/// The seed is a secret: it stands in guarded memory and has no description.
package struct InviteCode: ~Copyable, Sendable {
    /// Whose friend the reader becomes.
    package let endpoint: EndpointKey
    /// When the invite ends, in Unix seconds, or `nil` if it does not.
    ///
    /// The endpoint's clock decides; the reader's only warns.
    package let expiry: UInt64?
    /// Where the endpoint is found, in the order in which to try, each host alone.
    package let portals: [PortalAddress]
    private let seed: SecretKey

    /// How every invite code begins.
    package static let prefix = "cway-invite-1."
    /// The largest number of portals.
    package static let portalCountLimit = 8
    /// The first expiry that is too large: numbers of JavaScript are exact below.
    package static let expiryLimit: UInt64 = 1 << 53
    /// The longest code, with eight portals of the longest names, in bytes.
    package static let textByteCountLimit: Int = {
        let portal = InviteLayout.portalByteCount(
            hostByteCount: PortalAddress.hostByteCountLimit, isOpen: false)
        let byteCount = InviteLayout.byteCount(portals: portalCountLimit * portal)
        return prefix.utf8.count + TextEncoding.base64URL.digitCount(forByteCount: byteCount)
    }()

    /// Makes an invite from a fresh seed; an expiry of 0 is none, as in the code.
    ///
    /// One that is printed names the key shown at each hidden portal; one that was stored before there were such keys
    /// can still be redeemed without.
    ///
    /// - Throws: ``InviteCodeError``, where the parts do not make an invite.
    package init(
        endpoint: EndpointKey, seed: borrowing SecretKey, expiry: UInt64?, portals: [PortalAddress]
    ) throws(InviteCodeError) {
        let portals = portals.flatMap(\.places)
        guard !portals.isEmpty else { throw .noPortal }
        guard portals.count <= Self.portalCountLimit else {
            throw .tooManyPortals(portals.count, limit: Self.portalCountLimit)
        }
        if let expiry, expiry >= Self.expiryLimit { throw .expiryTooLarge(expiry) }
        try PortalAddress.verifyAgreement(of: portals)
        let guardedSeed: SecretKey
        do throws(SodiumError) {
            guardedSeed = try seed.guardedCopy()
        } catch {
            throw .outOfGuardedMemory
        }
        self.seed = guardedSeed
        self.endpoint = endpoint
        self.expiry = expiry == 0 ? nil : expiry
        self.portals = portals
    }

    /// Reads a code in ASCII, nothing around it; the caller wipes its own copy.
    ///
    /// - Throws: ``InviteCodeError``, another one for every cause.
    package init(ascii text: Span<UInt8>) throws(InviteCodeError) {
        var bytes = try InviteLayout.decoded(text)
        defer { wipe(&bytes) }
        try InviteLayout.verifyChecksum(of: bytes.span)
        var reader = InviteReader(end: bytes.count - InviteLayout.checksumByteCount)
        let version = try reader.byte(of: bytes.span)
        guard version == InviteLayout.version else { throw .unknownVersion(version) }

        let endpoint = EndpointKey(try reader.publicKey(of: bytes.span))
        let seedOffset = try reader.take(SecretKey.byteCount)
        let expiry = try reader.number(of: bytes.span, byteCount: 8)
        let portals = try InviteLayout.portals(of: bytes.span, &reader)

        let seedEnd = seedOffset + SecretKey.byteCount
        let seed: SecretKey
        do throws(SodiumError) {
            seed = try SecretKey(copying: bytes.span.extracting(seedOffset..<seedEnd))
        } catch {
            throw .outOfGuardedMemory
        }
        try self.init(endpoint: endpoint, seed: seed, expiry: expiry, portals: portals)
    }

    /// Reads a code, nothing around it.
    ///
    /// - Throws: ``InviteCodeError``, another one for every cause.
    package init(_ text: String) throws(InviteCodeError) {
        guard text.utf8.count <= Self.textByteCountLimit else {
            throw .tooLong(text.utf8.count, limit: Self.textByteCountLimit)
        }
        var ascii = Array(text.utf8)
        defer { wipe(&ascii) }
        try self.init(ascii: ascii.span)
    }

    /// The key pair of the invite, under which it is redeemed.
    ///
    /// - Throws: ``BlindingError/outOfGuardedMemory``.
    package borrowing func identity() throws(BlindingError) -> Identity {
        do throws(SodiumError) {
            return try Identity(seed: seed)
        } catch {
            throw .outOfGuardedMemory
        }
    }

    /// Whether it has ended by a time in Unix seconds.
    package borrowing func isExpired(atUnixSeconds seconds: UInt64) -> Bool {
        expiry.map { seconds >= $0 } ?? false
    }

    /// The code in ASCII; the caller wipes it.
    ///
    /// An array and no text, because text cannot be wiped.
    ///
    /// - Throws: ``InviteCodeError/noPseudonym``, where the key shown at a hidden portal is not known.
    package borrowing func encoded() throws(InviteCodeError) -> [UInt8] {
        guard portals.allSatisfy({ $0.isOpen || $0.shownKey != nil }) else { throw .noPseudonym }
        var bytes = InviteLayout.encoded(
            endpoint: endpoint, seed: seed, expiry: expiry ?? 0, portals: portals)
        defer { wipe(&bytes) }
        var digits = TextEncoding.base64URL.encode(bytes.span)
        defer { wipe(&digits) }
        var text: [UInt8] = []
        text.reserveCapacity(Self.prefix.utf8.count + digits.count)
        text.append(contentsOf: Self.prefix.utf8)
        text.append(contentsOf: digits)
        return text
    }
}
