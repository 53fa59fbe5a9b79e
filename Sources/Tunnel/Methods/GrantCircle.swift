internal import Connection
internal import MuxRPC

/// `circle.grant`: a friend asks the owner for what lets it resolve this endpoint's addresses.
enum GrantCircle: NodeMethod {
    static let method = Method.grantCircle
    static let asksOwner = true

    static func isOffered(to caller: MethodCaller) -> Bool {
        if case .guest(_, .friend, let instance) = caller { instance.grantsCircle } else { false }
    }

    static func answer(_ call: MethodCall) -> MethodAnswer { .question(.circleGrant) }
}
