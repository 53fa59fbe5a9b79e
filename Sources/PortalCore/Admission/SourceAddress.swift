package import NIOCore

/// Where a connection comes from, as far as one customer of a network gets: what shares are counted by.
///
/// That is the IPv4 address, also where it is written as an IPv6 one, or the first 64 bits of the IPv6 address, which
/// shares with the others of its /48.
package struct SourceAddress: Hashable, Sendable {
    private enum Kind: Hashable, Sendable {
        case v4(UInt32)
        case v6(high: UInt64, bitCount: Int)
        case unix
        case apart(Int)
        case unknown
    }

    private let kind: Kind

    private init(_ kind: Kind) { self.kind = kind }

    /// Where a socket's peer is; all whose address is not known are one source.
    package init(_ address: SocketAddress?) {
        switch address?.bytes {
        case nil: kind = .unknown
        case .some([]): kind = .unix
        case let bytes? where bytes.count == 4:
            kind = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case let bytes?:
            kind = .v6(high: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }, bitCount: 64)
        }
    }

    /// The connection of that number: a source of its own.
    static func apart(_ number: Int) -> SourceAddress { SourceAddress(.apart(number)) }

    /// The source whose share this one has a part of: the /48 of an IPv6 address.
    package var network: SourceAddress? {
        guard case .v6(let high, 64) = kind else { return nil }
        return SourceAddress(.v6(high: (high >> 16) << 16, bitCount: 48))
    }
}

extension SourceAddress: CustomStringConvertible {
    /// The usual text of the address, or of the network.
    package var description: String {
        switch kind {
        case .v4(let host):
            stride(from: 24, through: 0, by: -8).map { "\(host >> UInt32($0) & 0xFF)" }.joined(
                separator: ".")
        case .v6(let high, let bitCount):
            stride(from: 48, through: 64 - bitCount, by: -16).map {
                String(high >> UInt64($0) & 0xFFFF, radix: 16)
            }
            .joined(separator: ":") + "::/\(bitCount)"
        case .unix: "unix"
        case .apart(let number): "connection \(number)"
        case .unknown: "unknown"
        }
    }
}

extension SocketAddress {
    /// The 4 or 16 bytes of an IP address, an IPv4 one also where it is written as IPv6; none of a Unix socket's.
    var bytes: [UInt8] {
        switch self {
        case .v4(let address):
            // A sockaddr_in has its address behind family and port.
            return unsafe withUnsafeBytes(of: address.address) { unsafe [UInt8]($0[4..<8]) }
        case .v6(let address):
            // A sockaddr_in6 has its address behind family, port and flow label.
            let host = unsafe withUnsafeBytes(of: address.address) { unsafe [UInt8]($0[8..<24]) }
            let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            return host.starts(with: mapped) ? Array(host.suffix(4)) : host
        case .unixDomainSocket:
            return []
        }
    }
}
