public import TypedSodium

/// A tunnel address with a value in the place of its portal, to be resolved before it is dialled.
///
/// | text                                                | who can resolve it                       |
/// |-----------------------------------------------------|------------------------------------------|
/// | `tunnel:VALUE.hmac1:@T.ed25519[:instance]~shs:T`    | who knows the portal, or has a list      |
/// | `tunnel:VALUE.circle1:@T.ed25519[:instance]~shs:T`  | the target's circle, on that day         |
/// | `tunnel:VALUE.circle1`                              | the same; others do not even learn T     |
///
/// The value is 32 bytes in canonical Base64. Companionway alone writes these forms, so they are read strictly:
/// what is accepted is printed again byte for byte, except that a missing instance is printed as 0.
///
/// Source: docs/protocol.md, "Addresses".
public enum BlindedAddress: Hashable, Sendable {
    /// The target is shown, its portal hidden from all who do not guess it.
    case hmac1(FixedBytes<32>, TunnelTarget)
    /// The target is shown, its portal hidden from all but its circle.
    case circle1(FixedBytes<32>, TunnelTarget)
    /// Target and portal are both hidden from all but the circle; hence there is no target to ask for.
    case sealed(FixedBytes<32>)

    /// Reads a blinded address.
    ///
    /// - Throws: ``AddressError``; ``AddressError/unknownBlinding(_:)`` for a form of a later version.
    public init(_ address: MultiserverAddress) throws(AddressError) {
        guard let layer = address.layers.first, layer.name == "tunnel" else {
            throw .unknownProtocol(address.layers.first?.name ?? "")
        }
        guard let portal = layer.fields.first else { throw .missingID }
        guard let (digits, suffix) = Self.blinding(portal) else { throw .badID }
        guard let form = Form(rawValue: String(suffix)) else { throw .unknownBlinding(String(suffix)) }
        let value = try Self.value(digits)
        let handshake = try HandshakeLayer(above: address)
        if form == .circle1, layer.fields.count == 1, handshake == nil {
            self = .sealed(value)
            return
        }
        let target = try TunnelTarget(blindedFields: layer.fields.dropFirst(), handshake)
        switch form {
        case .hmac1: self = .hmac1(value, target)
        case .circle1: self = .circle1(value, target)
        }
    }

    /// The target and its instance, where they are shown.
    public var target: TunnelTarget? {
        switch self {
        case .hmac1(_, let target), .circle1(_, let target): target
        case .sealed: nil
        }
    }

    /// Whether an address is meant to be blinded, in a known form or not, well-formed or not.
    static func isMeant(by address: MultiserverAddress) -> Bool {
        guard let layer = address.layers.first, let portal = layer.fields.first else { return false }
        return layer.name == "tunnel" && blinding(portal) != nil
    }

    private enum Form: String {
        case hmac1
        case circle1
    }

    /// What stands around the last dot, when that cannot be an id.
    ///
    /// An id that lost its `@` keeps the error of ids. Only what looks like the name of a form counts as one,
    /// because errors repeat it.
    private static func blinding(_ portal: String) -> (digits: Substring, suffix: Substring)? {
        guard !portal.hasPrefix("@"), let dot = portal.lastIndex(of: ".") else { return nil }
        let suffix = portal[portal.index(after: dot)...]
        guard (1...16).contains(suffix.utf8.count), suffix != "ed25519", suffix != "sha256",
            suffix.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" })
        else { return nil }
        return (portal[..<dot], suffix)
    }

    private static func value(_ digits: Substring) throws(AddressError) -> FixedBytes<32> {
        do {
            return try FixedBytes(Base64.bytes(of: digits))
        } catch {
            throw .badBlindedValue
        }
    }
}

extension BlindedAddress: CustomStringConvertible {
    /// The one text that stands for this address, with the instance where the target is shown.
    public var description: String {
        switch self {
        case .hmac1(let value, let target): "\(Self.text(value, .hmac1)):\(target)"
        case .circle1(let value, let target): "\(Self.text(value, .circle1)):\(target)"
        case .sealed(let value): Self.text(value, .circle1)
        }
    }

    private static func text(_ value: FixedBytes<32>, _ form: Form) -> String {
        "tunnel:\(Base64.text(of: value.array)).\(form.rawValue)"
    }
}
