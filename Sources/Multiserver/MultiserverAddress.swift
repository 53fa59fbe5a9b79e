/// One multiserver address of any kind: a protocol and the transforms on top of it, each with fields.
///
/// Grammar: `layer(~layer)*`, a layer is `name(:field)*`, a name is `[a-z][a-z0-9-]+`, a field is any printable
/// ASCII without space; `!`, `:`, `;` and `~` stand in it behind a `!`. Source: multiserver-address, README and
/// multiserver.ne. Parsing and printing are each other's inverse.
///
/// multiserver itself splits a list at every `;` and fields at every `:`, escaped or not, so an address that
/// needs escapes means different things to different programs. ``PeerAddress`` and ``TunnelAddress`` never
/// need one.
public struct MultiserverAddress: Hashable, Sendable {
    /// A protocol or a transform: a name, and fields whose meaning it defines.
    public struct Layer: Hashable, Sendable {
        /// What it is: `net`, `shs`, `tunnel`.
        public let name: String
        /// The fields, with their escapes taken out.
        public let fields: [String]

        init(name: String, fields: [String]) {
            self.name = name
            self.fields = fields
        }
    }

    /// The protocol first, then the transforms; never empty.
    public let layers: [Layer]

    /// Reads a single address.
    ///
    /// - Throws: ``AddressError`` when it is none, or a list of several.
    public init(_ text: String) throws(AddressError) {
        let list = try AddressList(text)
        guard list.addresses.count == 1, let address = list.addresses.first else {
            throw .malformed(offset: list.addresses.first?.description.utf8.count ?? 0)
        }
        self = address
    }

    init(layers: [Layer]) { self.layers = layers }
}

/// Addresses in the order in which to try them, separated by `;`.
public struct AddressList: Hashable, Sendable {
    /// The longest text that is looked at, in bytes; the addresses of a real peer take a few hundred.
    public static let byteCountLimit = 4096

    /// The addresses; never empty.
    public let addresses: [MultiserverAddress]

    /// Reads a list of one or more.
    ///
    /// - Throws: ``AddressError/empty``, ``AddressError/tooLong(_:limit:)`` or ``AddressError/malformed(offset:)``.
    public init(_ text: String) throws(AddressError) {
        guard !text.isEmpty else { throw .empty }
        guard text.utf8.count <= Self.byteCountLimit else {
            throw .tooLong(text.utf8.count, limit: Self.byteCountLimit)
        }
        var parser = AddressParser(Array(text.utf8))
        addresses = try parser.list()
    }
}

extension AddressList: CustomStringConvertible {
    /// The list as every multiserver reads it.
    public var description: String { addresses.map(\.description).joined(separator: ";") }
}

extension MultiserverAddress: CustomStringConvertible {
    /// The address as every multiserver reads it.
    public var description: String { layers.map(\.description).joined(separator: "~") }
}

extension MultiserverAddress.Layer: CustomStringConvertible {
    /// The name and the escaped fields.
    public var description: String {
        ([name] + fields.map(Self.escaped)).joined(separator: ":")
    }

    private static func escaped(_ field: String) -> String {
        var bytes: [UInt8] = []
        for byte in field.utf8 {
            if AddressParser.needsEscape(byte) { bytes.append(AddressParser.escape) }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
