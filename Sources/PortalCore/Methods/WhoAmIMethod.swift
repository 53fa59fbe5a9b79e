internal import Multiserver
internal import MuxRPC
internal import SecretHandshake
internal import TypedSodium

/// `whoami`: who the portal is, and whom it takes the caller for.
enum WhoAmIMethod: PortalMethod {
    static var kind: MethodKind { .async }

    static func isOpenUndenied(to standing: PortalPolicy.Standing) -> Bool { true }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        let portal = calls.peer.portal.identity.publicKey
        calls.peer.reply(["id": .string(portal.id), "caller": .string(key.id)], to: request)
    }
}
