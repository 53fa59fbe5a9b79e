/// The errors of a portal that somebody else recognises, word for word.
public enum PortalMessage {
    /// To a connection whose announcement has been replaced; the endpoint on it must not just dial again.
    public static let announcedElsewhere =
        "announced elsewhere: this identity has announced itself from another connection"

    /// To an announcement of somebody who is no member, where members announce.
    public static let membersAnnounce = "this portal lets its members announce, and this key is none"

    /// To a call, or a request for a list, of somebody who is no member, where members call.
    public static let membersCall = "this portal connects its members, and this key is none"

    /// To everything that is open on a connection which the portal's owner does not want any more.
    public static let notAdmitted = "this portal does not admit this key"

    /// To every call on a connection for which there is no place, because its address has as many as it may.
    public static let tooManyConnections = "busy: too many connections from your address"

    /// To one end of a tunnel when the connection of the other one is over.
    public static let otherSideIsGone = "the other side of the tunnel is gone"

    /// To everything that is open when the portal stops.
    public static let portalIsClosing = "the portal is closing"
}
