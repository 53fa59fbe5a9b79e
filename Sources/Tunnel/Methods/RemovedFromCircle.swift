internal import Connection
internal import MuxRPC

/// `circle.removed`: the endpoint that we have called says that it does not let us in any more.
///
/// Its goodbye, which follows, says nothing of the kind; nor do the portals of a hidden node, where it is as absent from
/// then on as for everybody else. Only whom we have called can send us away.
enum RemovedFromCircle: NodeMethod {
    static let method = Method.removedFromCircle

    static func isOffered(to caller: MethodCaller) -> Bool {
        if case .endpoint = caller { true } else { false }
    }

    static func answer(_ call: MethodCall) -> MethodAnswer { .dismissal }
}
