public import TypedSodium

extension PublicKey {
    /// Reads the id of a peer: `@`, the key in canonical Base64, `.ed25519`.
    ///
    /// The suffix `.sha256` is read as well, because ssb-ref's `isFeed` and with it every tunnel parser takes it
    /// for the same key; no program prints it, and neither does ``id``.
    ///
    /// - Throws: ``AddressError/badID``.
    public init(id: String) throws(AddressError) {
        let suffix = [".ed25519", ".sha256"].first(where: id.hasSuffix)
        guard let suffix, id.utf8.first == UInt8(ascii: "@") else { throw .badID }
        do {
            try self.init(base64: String(id.dropFirst().dropLast(suffix.count)))
        } catch {
            throw .badID
        }
    }

    /// The id of the peer with this key, 53 characters; how every SSB program writes it.
    public var id: String { "@\(base64).ed25519" }

    /// Reads a key in canonical Base64, as it stands behind `shs:`.
    ///
    /// - Throws: ``AddressError/badKey``.
    public init(base64 text: String) throws(AddressError) {
        guard text.utf8.count == Base64.digitCount(forByteCount: Self.byteCount) else { throw .badKey }
        do {
            self.init(try FixedBytes(Base64.bytes(of: text)))
        } catch {
            throw .badKey
        }
    }

    /// The key in canonical Base64, 44 characters.
    public var base64: String { Base64.text(of: bytes.array) }
}
