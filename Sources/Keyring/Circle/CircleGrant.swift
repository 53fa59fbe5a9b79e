package import Blinding
package import Invitation
package import TypedSodium

/// What a friend is given so that it can resolve the addresses of a circle, and find its owner.
///
/// Its key is a secret: the value cannot be copied and has no description.
package struct CircleGrant: ~Copyable, Sendable {
    /// The longest name in bytes.
    package static let nameByteCountLimit = 64

    /// What the owner's node calls itself.
    package let name: String
    /// Which generation of the circle it is.
    package let generation: UInt64
    /// The first day that the key can tell.
    package let epoch: Epoch
    /// The chain key of that day.
    package let key: SecretKey
    /// Where the owner is found, in the order in which to try, each host alone; eight at most.
    package let portals: [PortalAddress]

    /// Puts the parts together.
    ///
    /// - Throws: ``KeyringError/badNodeName`` or ``KeyringError/tooManyPortals(_:)``.
    package init(
        name: String, generation: UInt64, epoch: Epoch, key: consuming SecretKey, portals: [PortalAddress]
    ) throws(KeyringError) {
        let portals = portals.flatMap(\.places)
        guard portals.count <= InviteCode.portalCountLimit else { throw .tooManyPortals(portals.count) }
        // It is shown on other people's terminals.
        guard Self.isName(name) else { throw .badNodeName }
        self.name = name
        self.generation = generation
        self.epoch = epoch
        self.key = key
        self.portals = portals
    }

    /// Whether a node may be called so.
    package static func isName(_ name: String) -> Bool {
        (1...nameByteCountLimit).contains(name.utf8.count)
            && name.unicodeScalars.allSatisfy { isPrintable($0) }
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
            false
        default: true
        }
    }
}

/// What became of a grant.
package enum GrantOutcome: Hashable, Sendable {
    /// Its key is of a later generation, or the first one.
    case taken
    /// Its generation was known already.
    case kept
    /// Its generation is older than the known one: it is ignored.
    case older
    /// Its day is more than one from today, so one of the two clocks is wrong: it is refused.
    case clocksDiffer(theirs: Epoch, ours: Epoch)
}
