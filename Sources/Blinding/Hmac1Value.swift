package import TypedSodium

/// What stands for the portal in an `hmac1` address: `crypto_auth(message: T, key: P)`.
///
/// A curtain, not a lock: it never changes, and whoever has a list of portals tries a million of them in about
/// a second.
package struct Hmac1Value: Sendable {
    /// The value as it stands in the address.
    package let bytes: FixedBytes<32>

    /// Wraps the value of an address.
    package init(_ bytes: FixedBytes<32>) { self.bytes = bytes }

    /// Computes the value for a target behind a portal.
    package init(target: EndpointKey, portal: PortalKey) {
        bytes = Authentication.code(of: target.bytes.storage.span, key: portal.bytes)
    }

    /// Whether it hides this portal for this target, in constant time.
    package func matches(target: EndpointKey, portal: PortalKey) -> Bool {
        Authentication.isValid(bytes, of: target.bytes.storage.span, key: portal.bytes)
    }
}

extension Hmac1Value: Hashable {
    /// Whether both values are the same, in constant time.
    package static func == (left: Hmac1Value, right: Hmac1Value) -> Bool {
        left.bytes.isEqual(to: right.bytes)
    }
}
