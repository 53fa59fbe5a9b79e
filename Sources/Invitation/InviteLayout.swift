internal import Blinding
internal import TypedSodium

/// How the bytes of an invite code follow each other.
enum InviteLayout {
    static let version: UInt8 = 1
    static let checksumByteCount = 4

    /// Version, endpoint, seed, expiry, and the number of portals.
    private static let headByteCount = 1 + PublicKey.byteCount + SecretKey.byteCount + 8 + 1

    /// Flags and key; where it is hidden, the key that is shown there.
    private static func portalHeadByteCount(isOpen: Bool) -> Int {
        1 + PublicKey.byteCount + (isOpen ? 0 : PublicKey.byteCount)
    }

    /// The head, length of the host, the host, port.
    static func portalByteCount(hostByteCount: Int, isOpen: Bool) -> Int {
        portalHeadByteCount(isOpen: isOpen) + 1 + hostByteCount + 2
    }

    /// All of it, around portals that take so many bytes together.
    static func byteCount(portals byteCount: Int) -> Int { headByteCount + byteCount + checksumByteCount }

    /// The bytes behind a code's prefix; the caller wipes them.
    static func decoded(_ text: Span<UInt8>) throws(InviteCodeError) -> [UInt8] {
        let limit = InviteCode.textByteCountLimit
        guard text.count <= limit else { throw .tooLong(text.count, limit: limit) }
        let prefix = Array(InviteCode.prefix.utf8)
        guard text.count >= prefix.count else { throw .wrongPrefix }
        for index in prefix.indices where text[index] != prefix[index] { throw .wrongPrefix }

        if text[text.count - 1] == UInt8(ascii: "=") { throw .padded }
        for index in prefix.count..<text.count where !isDigit(text[index]) {
            throw .foreignCharacter(offset: index)
        }
        do throws(SodiumError) {
            return try TextEncoding.base64URL.decode(text.extracting(prefix.count..<text.count))
        } catch {
            throw .notCanonical
        }
    }

    /// Tells a code that was cut off from one with a typing error, which need different advice.
    static func verifyChecksum(of bytes: Span<UInt8>) throws(InviteCodeError) {
        let end = bytes.count - checksumByteCount
        guard end >= 0 else { throw .truncated }
        let claimed = FixedBytes<4>(bytes, at: end)
        guard !claimed.isEqual(to: checksum(of: bytes.extracting(first: end))) else { return }
        throw isCutOff(bytes) ? .truncated : .wrongChecksum
    }

    /// The portals, behind their number, up to the checksum.
    ///
    /// - Throws: ``InviteCodeError``; ``InviteCodeError/olderLayout`` where everything is right, but for the keys that
    ///   hidden endpoints show.
    static func portals(
        of bytes: Span<UInt8>, _ reader: inout InviteReader
    ) throws(InviteCodeError) -> [PortalAddress] {
        var older = reader
        do throws(InviteCodeError) {
            return try portals(of: bytes, &reader, namesShownKeys: true)
        } catch {
            // Seldom a chance: the keys would have to be spelled like hosts, and to end where the code does.
            guard (try? portals(of: bytes, &older, namesShownKeys: false)) != nil else { throw error }
            throw .olderLayout
        }
    }

    private static func portals(
        of bytes: Span<UInt8>, _ reader: inout InviteReader, namesShownKeys: Bool
    ) throws(InviteCodeError) -> [PortalAddress] {
        let count = Int(try reader.byte(of: bytes))
        guard count > 0 else { throw .noPortal }
        let limit = InviteCode.portalCountLimit
        guard count <= limit else { throw .tooManyPortals(count, limit: limit) }
        var portals: [PortalAddress] = []
        for _ in 0..<count {
            let flags = try reader.byte(of: bytes)
            guard flags & ~PortalAddress.openFlag == 0 else { throw .unknownFlags(flags) }
            let isOpen = flags == PortalAddress.openFlag
            let key = PortalKey(try reader.publicKey(of: bytes))
            let shownKey = isOpen || !namesShownKeys ? nil : try reader.publicKey(of: bytes)
            let host = try reader.text(of: bytes, byteCount: Int(try reader.byte(of: bytes)))
            let port = UInt16(truncatingIfNeeded: try reader.number(of: bytes, byteCount: 2))
            portals.append(
                try PortalAddress(key: key, host: host, port: port, isOpen: isOpen, shownKey: shownKey))
        }
        let trailingByteCount = reader.end - reader.offset
        guard trailingByteCount == 0 else { throw .trailingBytes(trailingByteCount) }
        return portals
    }

    /// All bytes with their checksum, in one allocation; the caller wipes them.
    static func encoded(
        endpoint: EndpointKey, seed: borrowing SecretKey, expiry: UInt64, portals: [PortalAddress]
    ) -> [UInt8] {
        let portalByteCounts = portals.map {
            portalByteCount(hostByteCount: $0.host.utf8.count, isOpen: $0.isOpen)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount(portals: portalByteCounts.reduce(0, +)))
        bytes.append(version)
        bytes.append(contentsOf: endpoint.bytes.array)
        seed.append(to: &bytes)
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: expiry >> shift))
        }
        bytes.append(UInt8(portals.count))
        for portal in portals {
            bytes.append(portal.isOpen ? PortalAddress.openFlag : 0)
            bytes.append(contentsOf: portal.key.bytes.array)
            if let shownKey = portal.shownKey { bytes.append(contentsOf: shownKey.bytes.array) }
            bytes.append(UInt8(portal.host.utf8.count))
            bytes.append(contentsOf: portal.host.utf8)
            bytes.append(UInt8(portal.port >> 8))
            bytes.append(UInt8(portal.port & 0xFF))
        }
        bytes.append(contentsOf: checksum(of: bytes.span).array)
        return bytes
    }

    /// Whether the portals that it announces go on behind its end.
    private static func isCutOff(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count >= headByteCount else { return true }
        var portalsByteCount = 0
        for _ in 0..<min(Int(bytes[headByteCount - 1]), InviteCode.portalCountLimit) {
            let start = headByteCount + portalsByteCount
            guard start < bytes.count else { return true }
            let isOpen = bytes[start] & PortalAddress.openFlag != 0
            let lengthOffset = start + portalHeadByteCount(isOpen: isOpen)
            guard lengthOffset < bytes.count else { return true }
            portalsByteCount += portalByteCount(hostByteCount: Int(bytes[lengthOffset]), isOpen: isOpen)
        }
        return bytes.count < byteCount(portals: portalsByteCount)
    }

    private static func checksum(of bytes: Span<UInt8>) -> FixedBytes<4> {
        var hash = GenericHash(label: "companionway/1/invite")
        hash.update(bytes)
        return FixedBytes(hash.finalize().storage.span, at: 0)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "_")
    }
}
