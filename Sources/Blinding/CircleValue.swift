package import TypedSodium

/// What stands for the portal, and in a sealed address for the target too, in a `circle1` address.
///
/// It changes daily; outside of the circle nobody can link the values of two days or test a guess.
package struct CircleValue: Sendable {
    /// The value as it stands in the address.
    package let bytes: FixedBytes<32>

    /// Wraps the value of an address.
    package init(_ bytes: FixedBytes<32>) { self.bytes = bytes }
}

extension CircleValue: Hashable {
    /// Whether both values are the same, in constant time.
    package static func == (left: CircleValue, right: CircleValue) -> Bool {
        left.bytes.isEqual(to: right.bytes)
    }
}

/// The address key of a circle for one epoch: it writes and resolves the circle's addresses of that day.
///
/// Short-lived, hence not in guarded memory: made from a ``ChainKey`` to fill an index, then dropped and wiped.
package struct CircleAddressing: ~Copyable, Sendable {
    /// The day of the addresses.
    package let epoch: Epoch
    private let key: SecretKey

    init(key: consuming SecretKey, epoch: Epoch) {
        self.key = key
        self.epoch = epoch
    }

    /// What writes and resolves addresses on the day of a chain key that is not guarded: an index is made of those
    /// of thousands of circles.
    ///
    /// - Throws: nothing that happens, as nothing is guarded.
    package init(chainKey: borrowing SecretKey, epoch: Epoch) throws(BlindingError) {
        self.init(key: try ChainKey.addressKey(of: chainKey), epoch: epoch)
    }

    /// The value of a target behind a portal on this day, for an address that shows the target.
    ///
    /// `H("companionway/1/circle-address", T ‖ P ‖ LE64(e), key: ak_e)`.
    package borrowing func value(target: EndpointKey, portal: PortalKey) -> CircleValue {
        value(target, portal, label: "companionway/1/circle-address")
    }

    /// The value of a target behind a portal on this day, for an address that does not show the target.
    ///
    /// `H("companionway/1/circle-sealed", T ‖ P ‖ LE64(e), key: ak_e)`: another one, so that who publishes both on one
    /// day does not say with the one whose the other is.
    package borrowing func sealedValue(target: EndpointKey, portal: PortalKey) -> CircleValue {
        value(target, portal, label: "companionway/1/circle-sealed")
    }

    private borrowing func value(
        _ target: EndpointKey, _ portal: PortalKey, label: String
    ) -> CircleValue {
        var hash = GenericHash(label: label, key: key)
        hash.update(target.bytes)
        hash.update(portal.bytes)
        hash.update(epoch.littleEndianBytes)
        return CircleValue(hash.finalize())
    }

    /// Whether this is the same day's address key, in constant time.
    package borrowing func isEqual(to other: borrowing CircleAddressing) -> Bool {
        epoch == other.epoch && key.isEqual(to: other.key)
    }
}
