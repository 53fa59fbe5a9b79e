internal import TypedSodium

/// What the demo's steps have found out so far, for those that follow.
struct DemoFindings {
    var ids: [DemoProcess.Role: PublicKey] = [:]
    var portalAddress = ""
    /// The key of the portal.
    var portalKey: PublicKey?
    /// What the owner calls itself at the portal.
    var pseudonym = ""
    /// The owner's address of today, which names nobody.
    var sealedAddress = ""
    /// The friend's local port that leads to the owner's web service.
    var port = 0
    /// The portal's process, whose log is looked into.
    var portal: DemoProcess?
    var page = ""
}
