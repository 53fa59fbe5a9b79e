/// The errors of a portal that somebody else recognises, word for word.
public enum PortalMessage {
    /// To a connection whose announcement has been replaced; the endpoint on it must not just dial again.
    public static let announcedElsewhere =
        "announced elsewhere: this identity has announced itself from another connection"

    /// To one end of a tunnel when the connection of the other one is over.
    public static let otherSideIsGone = "the other side of the tunnel is gone"

    /// To everything that is open when the portal stops.
    public static let portalIsClosing = "the portal is closing"
}
