package import NIOCore

/// What a proxy says in front of a connection that it passes on: whose it is, in the PROXY protocol's versions 1 and 2.
///
/// Whether there is a header is no question of the bytes, of which a stranger might send any: it is a question of where
/// the connection comes from. Source: "The PROXY protocol, versions 1 & 2" (HAProxy, 2020).
package struct ProxyHeader: Equatable, Sendable {
    /// The longest header, in bytes: what stands behind the addresses of version 2 may be a certificate's name.
    package static let byteCountLimit = 4096
    /// The longest of version 1, in bytes, its end of line included.
    package static let textByteCountLimit = 107

    /// Where the connection comes from; `nil` where it is the proxy's own, or of a kind that has no address.
    package let source: SocketAddress?
    /// How many bytes the header has: the connection's own begin behind them.
    package let byteCount: Int

    private init(_ source: SocketAddress?, _ byteCount: Int) {
        (self.source, self.byteCount) = (source, byteCount)
    }

    /// Reads the header at the beginning of what has come so far.
    ///
    /// - Returns: the header; `nil` while it is not here whole.
    /// - Throws: ``ProxyHeaderError``, as soon as the bytes are the beginning of none.
    package static func read(_ bytes: ByteBuffer) throws(ProxyHeaderError) -> ProxyHeader? {
        let bytes = bytes.readableBytesView
        guard let first = bytes.first else { return nil }
        return first == Binary.signature[0] ? try Binary.read(bytes) : try Text.read(bytes)
    }

    // MARK: Version 1

    /// `PROXY TCP4 192.0.2.1 198.51.100.1 51000 443` and the end of a line.
    private enum Text {
        static let signature = Array("PROXY ".utf8)

        static func read(_ bytes: ByteBufferView) throws(ProxyHeaderError) -> ProxyHeader? {
            guard bytes.prefix(signature.count).elementsEqual(signature.prefix(bytes.count)) else {
                throw .missing
            }
            let line = bytes.prefix(textByteCountLimit)
            guard let end = line.firstIndex(of: UInt8(ascii: "\n")) else {
                guard line.count < textByteCountLimit else { throw .tooLong(limit: textByteCountLimit) }
                return nil
            }
            let byteCount = end - bytes.startIndex + 1
            guard byteCount > signature.count + 1, bytes[end - 1] == UInt8(ascii: "\r") else {
                throw .malformed
            }
            let fields = line[..<(end - 1)].split(
                separator: UInt8(ascii: " "), omittingEmptySubsequences: false
            ).dropFirst().map { String(decoding: $0, as: UTF8.self) }
            // Of a connection of unknown kind whatever else stands there means nothing.
            if fields.first == "UNKNOWN" { return ProxyHeader(nil, byteCount) }
            guard fields.count == 5, fields[0] == "TCP4" || fields[0] == "TCP6" else { throw .malformed }
            let isNewer = fields[0] == "TCP6"
            let source = try address(fields[1], port: fields[3], isNewer: isNewer)
            _ = try address(fields[2], port: fields[4], isNewer: isNewer)
            return ProxyHeader(source, byteCount)
        }

        private static func address(
            _ host: String, port: String, isNewer: Bool
        ) throws(ProxyHeaderError) -> SocketAddress {
            guard let number = UInt16(port), String(number) == port, host.contains(":") == isNewer,
                // Not a `%` and the name of a link behind it.
                host.utf8.allSatisfy({ $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") || isDigit($0) }),
                let address = try? SocketAddress(ipAddress: host, port: Int(number))
            else { throw .malformed }
            return address
        }

        private static func isDigit(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"):
                true
            default: false
            }
        }
    }

    // MARK: Version 2

    /// | offset | bytes | field                                                               |
    /// |--------|-------|---------------------------------------------------------------------|
    /// | 0      | 12    | signature                                                           |
    /// | 12     | 1     | version 2, command: 0 for the proxy's own connection, 1 for another's |
    /// | 13     | 1     | family 1 IPv4, 2 IPv6, 3 Unix; transport 1 stream, 2 datagrams        |
    /// | 14     | 2     | how many bytes follow, in network byte order                        |
    /// | 16     |       | source, destination, ports, further values, which are skipped       |
    private enum Binary {
        static let signature: [UInt8] = [
            0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
        ]
        static let fixedByteCount = 16

        static func read(_ bytes: ByteBufferView) throws(ProxyHeaderError) -> ProxyHeader? {
            guard bytes.prefix(signature.count).elementsEqual(signature.prefix(bytes.count)) else {
                throw .missing
            }
            guard bytes.count >= fixedByteCount else { return nil }
            let start = bytes.startIndex
            let (command, kind) = (bytes[start + 12], bytes[start + 13])
            guard command >> 4 == 2, command & 0xF <= 1, kind >> 4 <= 3, kind & 0xF <= 2 else {
                throw .malformed
            }
            let restByteCount = Int(bytes[start + 14]) << 8 | Int(bytes[start + 15])
            let byteCount = fixedByteCount + restByteCount
            guard byteCount <= byteCountLimit else { throw .tooLong(limit: byteCountLimit) }
            let isOwn = command & 0xF == 0
            // A stream of IPv4, of IPv6, of a Unix socket; of another kind there is nothing to be read.
            let hostByteCount = isOwn ? 0 : [0x11: 4, 0x21: 16, 0x31: 108][kind] ?? 0
            let portByteCount = hostByteCount == 4 || hostByteCount == 16 ? 2 : 0
            guard restByteCount >= 2 * (hostByteCount + portByteCount) else { throw .malformed }
            guard bytes.count >= byteCount else { return nil }
            guard portByteCount > 0 else { return ProxyHeader(nil, byteCount) }
            let addresses = bytes.dropFirst(fixedByteCount)
            let port = addresses.dropFirst(2 * hostByteCount).prefix(2).reduce(0) { $0 << 8 | Int($1) }
            // Never fails: the count is one of the two that there are.
            let source = try? SocketAddress(
                packedIPAddress: ByteBuffer(bytes: addresses.prefix(hostByteCount)), port: port)
            return ProxyHeader(source, byteCount)
        }
    }
}

/// Why a proxy's connection is closed before anything of it was read.
package enum ProxyHeaderError: Error, Equatable, Sendable {
    /// It begins with something else.
    case missing
    /// It begins as a header, and is none.
    case malformed
    /// It is longer than a header may be.
    case tooLong(limit: Int)
    /// It did not come in time.
    case late
    /// So many connections of proxies have no header yet that there is no waiting for this one.
    case tooMany
}

extension ProxyHeaderError: CustomStringConvertible {
    /// The cause in a few words.
    package var description: String {
        switch self {
        case .missing: "no PROXY header"
        case .malformed: "a malformed PROXY header"
        case .tooLong(let limit): "a PROXY header of more than \(limit) bytes"
        case .late: "no PROXY header in time"
        case .tooMany: "too many connections without a PROXY header"
        }
    }
}
