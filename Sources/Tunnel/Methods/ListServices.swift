internal import Connection
internal import MuxRPC

/// `service.list`: the names of what a friend may open at the instance that it has called.
enum ListServices: NodeMethod {
    static let method = Method.listServices

    static func isOffered(to caller: MethodCaller) -> Bool { caller.isFriend }

    static func answer(_ call: MethodCall) -> MethodAnswer {
        guard case .guest(let friend, _, let instance) = call.caller else { return .value([]) }
        return .value(.array(instance.services(for: friend).map { .string($0) }))
    }
}
