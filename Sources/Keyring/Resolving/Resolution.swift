public import Blinding

/// What a blinded address means.
public struct Resolution: Hashable, Sendable {
    /// Who is reached.
    public let target: EndpointKey
    /// Through which portal.
    public let portal: InvitePortal

    /// Puts the two together.
    public init(target: EndpointKey, portal: InvitePortal) {
        self.target = target
        self.portal = portal
    }
}
