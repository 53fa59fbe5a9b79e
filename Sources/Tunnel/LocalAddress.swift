package import Multiserver
package import NIOCore

/// Who has named an address that is dialled.
package enum AddressAuthor: Hashable, Sendable {
    /// The owner of this node, by a setting, an argument or the keyring's own portals: it leads wherever they want.
    case owner
    /// Somebody else, by an invite or a grant: it does not lead to this machine or to what is only around it.
    case others
}

/// Why an address means something on one machine or one link alone, or no single peer.
///
/// An invite or a grant that names one would let its author make this node speak to services that trust whoever is on
/// the same machine.
package enum LocalAddressKind: String, Sendable {
    /// 127.0.0.0/8 and ::1.
    case loopback
    /// 0.0.0.0/8 and ::, which Linux takes for the loopback interface.
    case unspecified
    /// 169.254.0.0/16 and fe80::/10.
    case linkLocal = "link-local"
    /// 224.0.0.0/4 and ff00::/8.
    case multicast
    /// 255.255.255.255.
    case broadcast

    /// What an address is that was resolved; `nil` for one that may lead anywhere in the network.
    ///
    /// An IPv6 address that stands for an IPv4 address is what that is.
    package init?(_ address: SocketAddress) {
        let found: LocalAddressKind? =
            switch address {
            case .v4(let address):
                // A sockaddr_in has its address behind family and port.
                unsafe withUnsafeBytes(of: address.address) { unsafe Self.kind(ofIPv4: Array($0[4..<8])) }
            case .v6(let address):
                // A sockaddr_in6 has its address behind family, port and flow label.
                unsafe withUnsafeBytes(of: address.address) { unsafe Self.kind(ofIPv6: Array($0[8..<24])) }
            case .unixDomainSocket: .loopback
            }
        guard let found else { return nil }
        self = found
    }

    /// Whether a host is the address that stands for all of a machine's own, and leads nobody there.
    package static func isUnspecified(_ host: String) -> Bool {
        (try? SocketAddress(ipAddress: host, port: 0)).flatMap(LocalAddressKind.init) == .unspecified
    }

    private static func kind(ofIPv4 bytes: some RandomAccessCollection<UInt8>) -> LocalAddressKind? {
        let bytes = Array(bytes)
        switch (bytes[0], bytes[1]) {
        case (127, _): return .loopback
        case (0, _): return .unspecified
        case (169, 254): return .linkLocal
        case (224...239, _): return .multicast
        default: return bytes == [255, 255, 255, 255] ? .broadcast : nil
        }
    }

    private static func kind(ofIPv6 bytes: [UInt8]) -> LocalAddressKind? {
        if bytes == [UInt8](repeating: 0, count: 16) { return .unspecified }
        if bytes == [UInt8](repeating: 0, count: 15) + [1] { return .loopback }
        if bytes[0] == 0xFF { return .multicast }
        if bytes[0] == 0xFE, bytes[1] & 0xC0 == 0x80 { return .linkLocal }
        for (prefix, offset) in carriers where bytes.starts(with: prefix) {
            return kind(ofIPv4: bytes[offset..<offset + 4])
        }
        // Teredo carries the client's address with every bit flipped.
        if bytes.starts(with: teredo) { return kind(ofIPv4: bytes[12..<16].map { ~$0 }) }
        return nil
    }

    /// Prefixes of IPv6 addresses that stand for IPv4 addresses, and where those begin.
    private static let carriers: [(prefix: [UInt8], offset: Int)] = [
        ([UInt8](repeating: 0, count: 10) + [0xFF, 0xFF], 12),  // mapped, RFC 4291
        ([UInt8](repeating: 0, count: 12), 12),  // compatible, RFC 4291
        ([UInt8](repeating: 0, count: 8) + [0xFF, 0xFF, 0, 0], 12),  // translated, RFC 2765
        ([0, 0x64, 0xFF, 0x9B] + [UInt8](repeating: 0, count: 8), 12),  // NAT64, RFC 6052
        ([0, 0x64, 0xFF, 0x9B, 0, 1], 12),  // NAT64 of one's own, RFC 8215, with a prefix of 96 bits
        ([0x20, 0x02], 2),  // 6to4, RFC 3056
    ]
    private static let teredo: [UInt8] = [0x20, 0x01, 0, 0]
}

/// Why an address is not dialled that a name stands for.
package struct LocalAddressError: Error, Equatable, CustomStringConvertible {
    /// What it is.
    package let kind: LocalAddressKind
    /// The address, as numbers.
    package let address: String

    /// Puts the two together.
    package init(kind: LocalAddressKind, address: String) {
        self.kind = kind
        self.address = address
    }

    /// The cause, for people.
    package var description: String { "\(address) is a \(kind.rawValue) address" }
}

extension ListenAddress {
    /// The host that others may dial; `nil` where it stands for every interface, as `*` or as 0.0.0.0 and ::.
    package var dialledHost: String? { host.flatMap { LocalAddressKind.isUnspecified($0) ? nil : $0 } }
}
