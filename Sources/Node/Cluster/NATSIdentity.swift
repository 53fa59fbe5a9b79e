package import NATS
internal import TypedSodium

/// How a machine shows NATS who it is, out of its settings.
package enum NATSIdentity {
    /// The largest file of credentials that is read, in bytes.
    private static let byteCountLimit = 16 << 10

    /// The credentials of these settings: the file's, where one is named, or else what the servers' addresses say.
    ///
    /// - Throws: ``NATSIdentityError``.
    package static func credentials(of settings: ClusterSettings) throws(NATSIdentityError) -> NATSCredentials
    {
        let named = Set(
            settings.servers.compactMap { server in
                server.user.map { [$0, server.password] }
            })
        guard named.count <= 1 else { throw .severalUsers }
        if let file = settings.credentialsFile {
            guard named.isEmpty else { throw .both }
            return try credentials(inFile: file)
        }
        guard let user = named.first?[0] else { return .none }
        return named.first?[1].map { .user(user, password: $0) } ?? .token(user)
    }

    private static func credentials(inFile path: String) throws(NATSIdentityError) -> NATSCredentials {
        var bytes: [UInt8]
        do throws(TokenFileError) {
            bytes = try TokenFile.contents(of: path, limit: byteCountLimit)
        } catch {
            throw .unreadable(error)
        }
        defer { for index in bytes.indices { bytes[index] = 0 } }
        // The file that an operator hands out has a signed identity in it; libnats reads it itself.
        if bytes.span.contains("BEGIN NATS USER JWT") { return .file(path) }
        guard let key = NKeySeed.publicKey(inFile: bytes.span) else { throw .noCredentials(path: path) }
        return .nkey(key, seedFile: path)
    }
}

extension Span<UInt8> {
    fileprivate func contains(_ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard count >= wanted.count else { return false }
        return (0...count - wanted.count).contains { start in
            wanted.indices.allSatisfy { self[start + $0] == wanted[$0] }
        }
    }
}

/// The seed of a user's key pair, in the text of NATS: base32 of two bytes of prefix, 32 of seed, and a checksum.
///
/// Source: github.com/nats-io/nkeys, strkey.go.
enum NKeySeed {
    private static let seedPrefix: UInt8 = 18 << 3
    private static let userPrefix: UInt8 = 20 << 3
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
    private static let textByteCount = 58

    /// The public key that belongs to the first seed of a user in a file; `nil` where there is none.
    static func publicKey(inFile bytes: Span<UInt8>) -> String? {
        var line: [UInt8] = []
        defer { for index in line.indices { line[index] = 0 } }
        for index in 0...bytes.count {
            let byte = index < bytes.count ? bytes[index] : UInt8(ascii: "\n")
            guard byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") else {
                line.append(byte)
                continue
            }
            if line.starts(with: Array("SU".utf8)), let key = publicKey(ofSeed: line) { return key }
            line.removeAll(keepingCapacity: true)
        }
        return nil
    }

    private static func publicKey(ofSeed text: [UInt8]) -> String? {
        guard text.count == textByteCount, var raw = decoded(text), raw.count == 36 else { return nil }
        defer { for index in raw.indices { raw[index] = 0 } }
        let type = (raw[0] & 7) << 5 | raw[1] >> 3
        guard raw[0] & 0xf8 == seedPrefix, type == userPrefix, isIntact(raw),
            let seed = try? SecretKey(copying: raw.span.extracting(2..<34)),
            let identity = try? Identity(seed: seed)
        else { return nil }
        var key = [userPrefix] + identity.publicKey.bytes.array
        let sum = checksum(of: key[...])
        key += [UInt8(sum & 0xff), UInt8(sum >> 8)]
        return encoded(key)
    }

    private static func isIntact(_ raw: [UInt8]) -> Bool {
        checksum(of: raw.dropLast(2)) == UInt16(raw[raw.count - 2]) | UInt16(raw[raw.count - 1]) << 8
    }

    /// CRC-16 with the polynomial of XMODEM.
    private static func checksum(of bytes: ArraySlice<UInt8>) -> UInt16 {
        bytes.reduce(0 as UInt16) { sum, byte in
            (0..<8).reduce(sum ^ UInt16(byte) << 8) { sum, _ in
                sum & 0x8000 == 0 ? sum << 1 : sum << 1 ^ 0x1021
            }
        }
    }

    private static func decoded(_ text: [UInt8]) -> [UInt8]? {
        var (bytes, buffer, bitCount): ([UInt8], UInt32, Int) = ([], 0, 0)
        for digit in text {
            guard let value = digits.firstIndex(of: digit) else { return nil }
            buffer = buffer << 5 | UInt32(value)
            bitCount += 5
            if bitCount >= 8 {
                bitCount -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bitCount)))
            }
        }
        return bytes
    }

    private static func encoded(_ bytes: [UInt8]) -> String {
        var (text, buffer, bitCount): ([UInt8], UInt32, Int) = ([], 0, 0)
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bitCount += 8
            while bitCount >= 5 {
                bitCount -= 5
                text.append(digits[Int(buffer >> UInt32(bitCount)) & 31])
            }
        }
        if bitCount > 0 { text.append(digits[Int(buffer << UInt32(5 - bitCount)) & 31]) }
        return String(decoding: text, as: UTF8.self)
    }
}

/// Why there are no credentials for NATS.
package enum NATSIdentityError: Error, Equatable, Sendable {
    /// The addresses of the servers name several users.
    case severalUsers
    /// A file is named, and the addresses name a user too.
    case both
    /// The file cannot be read.
    case unreadable(TokenFileError)
    /// The file has neither a signed identity nor a user's seed.
    case noCredentials(path: String)
}

extension NATSIdentityError: CustomStringConvertible {
    /// A sentence with the remedy.
    package var description: String {
        switch self {
        case .severalUsers: "the NATS servers are given with several users or tokens: write the same for each"
        case .both:
            "the NATS servers are given with a user or token, and a credentials file too: leave out one of them"
        case .unreadable(let error): "\(error)"
        case .noCredentials(let path):
            "\(path) has no credentials for NATS: it takes a .creds file, or a user's nkey seed (SU…)"
        }
    }
}
