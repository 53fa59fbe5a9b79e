internal import Blinding
internal import Invitation
internal import TypedSodium

/// A record that makes no sense, though its checksum is right.
struct RecordFault: Error {}

/// Reads what ``RecordWriter`` wrote; nothing is believed, every access is checked.
struct RecordReader {
    /// The version of the format in which the record was written.
    let version: UInt8
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8], version: UInt8) {
        self.bytes = bytes
        self.version = version
    }

    mutating func byte() throws(RecordFault) -> UInt8 {
        let start = try take(1)
        return bytes[start]
    }

    mutating func flag() throws(RecordFault) -> Bool {
        switch try byte() {
        case 0: return false
        case 1: return true
        default: throw RecordFault()
        }
    }

    mutating func number() throws(RecordFault) -> UInt64 {
        let start = try take(8)
        return bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func shortNumber() throws(RecordFault) -> UInt16 {
        let start = try take(2)
        return UInt16(bytes[start]) << 8 | UInt16(bytes[start + 1])
    }

    mutating func key() throws(RecordFault) -> PublicKey {
        let start = try take(PublicKey.byteCount)
        return PublicKey(FixedBytes(bytes.span, at: start))
    }

    mutating func fixed(_ count: Int) throws(RecordFault) -> [UInt8] {
        let start = try take(count)
        return Array(bytes[start..<start + count])
    }

    mutating func text() throws(RecordFault) -> String {
        let count = Int(try shortNumber())
        let start = try take(count)
        guard let text = String(validating: bytes[start..<start + count], as: UTF8.self) else {
            throw RecordFault()
        }
        return text
    }

    mutating func portals() throws(RecordFault) -> [PortalAddress] {
        let count = Int(try byte())
        var portals: [PortalAddress] = []
        for _ in 0..<count { portals.append(try portal()) }
        return portals
    }

    mutating func portal() throws(RecordFault) -> PortalAddress {
        let isOpen = try flag()
        let key = PortalKey(try key())
        let host = try text()
        let port = try shortNumber()
        // The first format had no place for it.
        let shownKey =
            version < 2 ? nil : try optional { (reader) throws(RecordFault) in try reader.key() }
        do throws(InviteCodeError) {
            return try PortalAddress(key: key, host: host, port: port, isOpen: isOpen, shownKey: shownKey)
        } catch {
            throw RecordFault()
        }
    }

    mutating func host() throws(RecordFault) -> PortalAddress.Host {
        let (name, port) = (try text(), try shortNumber())
        do throws(InviteCodeError) { return try PortalAddress.Host(name, port) } catch { throw RecordFault() }
    }

    mutating func optional<Value>(
        _ read: (inout RecordReader) throws(RecordFault) -> Value
    ) throws(RecordFault) -> Value? {
        try flag() ? try read(&self) : nil
    }

    /// Nothing stands behind the last field.
    func finish() throws(RecordFault) {
        guard offset == bytes.count else { throw RecordFault() }
    }

    /// Goes on behind so many bytes.
    ///
    /// - Returns: where they begin.
    private mutating func take(_ count: Int) throws(RecordFault) -> Int {
        guard count <= bytes.count - offset else { throw RecordFault() }
        defer { offset += count }
        return offset
    }
}
