internal import Connection
internal import MuxRPC

/// `portal.move`: a machine of the portal that is about to stop asks us to go to another one.
///
/// It is answered at once, and done within a second by the node's owner: see docs/protocol.md, "Machines of one portal".
enum MoveAway: NodeMethod {
    static let method = Method.move

    static func isOffered(to caller: MethodCaller) -> Bool {
        if case .portal = caller { true } else { false }
    }

    static func answer(_ call: MethodCall) -> MethodAnswer { .move }
}
