package import Blinding
package import Invitation

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
