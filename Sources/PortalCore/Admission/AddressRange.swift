package import NIOCore

/// A range of addresses in the notation of RFC 4632: `10.0.0.0/8`, `2001:db8::/32`, or one address alone; or `unix` for
/// all Unix domain sockets.
package struct AddressRange: Hashable, Sendable {
    private static let unixText = "unix"

    /// None for Unix domain sockets.
    private let bytes: [UInt8]
    private let bitCount: Int

    /// Reads a range; bits behind the length may be anything.
    ///
    /// - Throws: ``AddressRangeError``.
    package init(_ text: String) throws(AddressRangeError) {
        guard text != Self.unixText else {
            (bytes, bitCount) = ([], 0)
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let host = parts.first, let address = try? SocketAddress(ipAddress: String(host), port: 0)
        else {
            throw .notAnAddress
        }
        bytes = address.bytes
        // `::ffff:10.0.0.0/104` is the IPv4 range `10.0.0.0/8`.
        let mappedBitCount = host.contains(":") && bytes.count == 4 ? 96 : 0
        guard parts.count == 2 else {
            bitCount = 8 * bytes.count
            return
        }
        guard let length = Int(parts[1]), String(length) == parts[1],
            (0...8 * bytes.count).contains(length - mappedBitCount)
        else { throw .badLength(limit: 8 * bytes.count + mappedBitCount) }
        bitCount = length - mappedBitCount
    }

    /// Whether an address is in it.
    package func contains(_ address: SocketAddress) -> Bool {
        let other = address.bytes
        guard other.count == bytes.count else { return false }
        return bytes.indices.allSatisfy { index in
            let wanted = min(8, max(0, bitCount - 8 * index))
            return (bytes[index] ^ other[index]) >> UInt8(8 - wanted) == 0
        }
    }
}

extension AddressRange: CustomStringConvertible {
    /// A form that `init(_:)` reads.
    package var description: String {
        guard !bytes.isEmpty else { return Self.unixText }
        let host =
            bytes.count == 4
            ? bytes.map { "\($0)" }.joined(separator: ".")
            : stride(from: 0, to: bytes.count, by: 2).map {
                String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16)
            }.joined(separator: ":")
        return "\(host)/\(bitCount)"
    }
}

/// Why a text names no range of addresses.
package enum AddressRangeError: Error, Equatable, Sendable {
    /// What is in front of the `/` is no IP address.
    case notAnAddress
    /// What is behind it is no number up to the length of an address.
    case badLength(limit: Int)
}

extension AddressRangeError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    package var description: String {
        switch self {
        case .notAnAddress: "the range has no IP address: write one like 10.0.0.0/8 or ::1, or unix"
        case .badLength(let limit):
            "the length behind the / is not from 0 to \(limit): write one that is"
        }
    }
}
