package import Blinding
package import Invitation
internal import LMDB
package import Multiserver
internal import TypedSodium

/// Every address that a keyring can resolve around one day, so that resolving is one look.
///
/// Computed in memory and never written down, because a stored one would be a history. A table with open addressing
/// over flat arrays: 44 to 52 bytes for each value, whatever their number; nothing on the heap per value.
package struct AddressIndex: Sendable {
    /// The day in the middle of those whose addresses it knows.
    package let epoch: Epoch
    /// The keyring's sequence number that it shows.
    package let sequence: UInt64

    /// For each slot the number of its value plus one, 0 where it is free; their number is a power of two.
    private var slots: [UInt32] = []
    private var values: [FixedBytes<32>] = []
    /// For each value its pair, with the mark of its form in the upper two bits.
    private var pairNumbers: [UInt32] = []
    private var pairs: [Pair] = []
    private var targets: [EndpointKey] = []
    private var portals: [PortalAddress] = []

    /// A target behind a portal, by their numbers.
    private struct Pair {
        let target, portal: UInt32
    }

    /// In which form of address a value stands; one that stands in another form is nobody's.
    private enum Form: UInt32 {
        case shown = 0
        case sealed = 0x4000_0000
        case hmac1 = 0x8000_0000

        static let marks: UInt32 = 0xC000_0000
    }

    /// Computes the addresses of a day and of its neighbours.
    ///
    /// - Throws: ``KeyringError``.
    package init(keyring: Keyring, epoch: Epoch) throws(KeyringError) {
        let owner = keyring.owner
        self = try keyring.store.readSecrets { (transaction, vaultKey) throws(KeyringError) in
            var index = AddressIndex(epoch: epoch, sequence: try transaction.number(.sequence) ?? 0)
            var portalNumbers: [PortalAddress: UInt32] = [:]
            try ReachableCircle.forEach(owner: owner, transaction) { (known) throws(KeyringError) in
                try index.add(known, vaultKey, &portalNumbers)
                return .next
            }
            index.fillSlots()
            return index
        }
    }

    private init(epoch: Epoch, sequence: UInt64) {
        self.epoch = epoch
        self.sequence = sequence
    }

    /// How many values it knows: seven for each pair of a target and a portal, two for a day and one for all.
    package var count: Int { values.count }

    /// What a blinded address means; `nil` when it is unknown.
    package func resolve(_ address: BlindedAddress) -> Resolution? {
        switch address {
        case .hmac1(let value, let target): find(value, .hmac1, target: target.key)
        case .circle1(let value, let target): find(value, .shown, target: target.key)
        case .sealed(let value): find(value, .sealed, target: nil)
        }
    }

    private func find(_ value: FixedBytes<32>, _ form: Form, target: PublicKey?) -> Resolution? {
        var slot = Self.start(of: value) & (slots.count - 1)
        // At least half of the slots are free, so the walk ends.
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            if values[number].isEqual(to: value), pairNumbers[number] & Form.marks == form.rawValue {
                let pair = pairs[Int(pairNumbers[number] & ~Form.marks)]
                let found = targets[Int(pair.target)]
                guard target == nil || target == found.publicKey else { return nil }
                return Resolution(target: found, portal: portals[Int(pair.portal)])
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private mutating func add(
        _ known: ReachableCircle, _ vaultKey: borrowing SecretKey,
        _ portalNumbers: inout [PortalAddress: UInt32]
    ) throws(KeyringError) {
        let target = UInt32(targets.count)
        targets.append(known.target)
        let firstPair = UInt32(pairs.count)
        for portal in known.portals {
            let number = portalNumbers[portal] ?? UInt32(portals.count)
            if number == UInt32(portals.count) {
                portalNumbers[portal] = number
                portals.append(portal)
            }
            pairNumbers.append(UInt32(pairs.count) | Form.hmac1.rawValue)
            values.append(Hmac1Value(target: known.target, portal: portal.key).bytes)
            pairs.append(Pair(target: target, portal: number))
        }
        try known.forEachDay(of: epoch.window, vaultKey) { addressing in
            for (offset, portal) in known.portals.enumerated() {
                values.append(addressing.value(target: known.target, portal: portal.key).bytes)
                pairNumbers.append(firstPair + UInt32(offset) | Form.shown.rawValue)
                values.append(addressing.sealedValue(target: known.target, portal: portal.key).bytes)
                pairNumbers.append(firstPair + UInt32(offset) | Form.sealed.rawValue)
            }
            return .next
        }
    }

    private mutating func fillSlots() {
        var slotCount = 16
        while slotCount < 2 * values.count { slotCount *= 2 }
        slots = [UInt32](repeating: 0, count: slotCount)
        for number in values.indices {
            var slot = Self.start(of: values[number]) & (slotCount - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slotCount - 1) }
            slots[slot] = UInt32(number + 1)
        }
    }

    /// Where to begin: the values come from keyed hashes, so their first bytes are spread as well as any.
    private static func start(of value: FixedBytes<32>) -> Int {
        var start = 0
        for index in 0..<7 { start |= Int(value.storage[index]) << (8 * index) }
        return start
    }
}

/// What a blinded address means.
package struct Resolution: Hashable, Sendable {
    /// Who is reached.
    package let target: EndpointKey
    /// Through which portal.
    package let portal: PortalAddress

    /// Puts the two together.
    package init(target: EndpointKey, portal: PortalAddress) {
        self.target = target
        self.portal = portal
    }
}
