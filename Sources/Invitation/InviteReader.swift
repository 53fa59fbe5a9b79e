internal import TypedSodium

/// A place in the bytes of an invite code, which moves forward as they are read.
struct InviteReader {
    private(set) var offset = 0
    /// Where the checksum begins.
    let end: Int

    init(end: Int) { self.end = end }

    /// Passes over bytes and tells where they begin.
    mutating func take(_ byteCount: Int) throws(InviteCodeError) -> Int {
        guard end - offset >= byteCount else { throw .truncated }
        offset += byteCount
        return offset - byteCount
    }

    mutating func byte(of bytes: Span<UInt8>) throws(InviteCodeError) -> UInt8 { bytes[try take(1)] }

    mutating func publicKey(of bytes: Span<UInt8>) throws(InviteCodeError) -> PublicKey {
        PublicKey(FixedBytes(bytes, at: try take(PublicKey.byteCount)))
    }

    /// A number of up to eight bytes, the most significant first.
    mutating func number(of bytes: Span<UInt8>, byteCount: Int) throws(InviteCodeError) -> UInt64 {
        let start = try take(byteCount)
        return (start..<start + byteCount).reduce(0) { $0 << 8 | UInt64(bytes[$1]) }
    }

    mutating func text(of bytes: Span<UInt8>, byteCount: Int) throws(InviteCodeError) -> String {
        let start = try take(byteCount)
        return String(decoding: (start..<start + byteCount).map { bytes[$0] }, as: UTF8.self)
    }
}
