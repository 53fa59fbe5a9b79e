internal import Connection
internal import Multiserver
internal import MuxRPC

/// `service.open`: a stream with credit to a service, which a friend names: `[{"name": "ssh"}]`.
enum OpenService: NodeMethod {
    static let method = Method.openService
    static let kind = MethodKind.duplex

    static func isOffered(to caller: MethodCaller) -> Bool { caller.isFriend }

    static func answer(_ call: MethodCall) -> MethodAnswer {
        guard case .guest(let friend, _, let instance) = call.caller else {
            return .failure(ErrorText.unknownService)
        }
        let name = call.arguments.first?["name"]?.string
        guard let name, let number = instance.number, instance.services(for: friend).contains(name) else {
            return .unknownService(ErrorText.cut(name ?? ""), friend, instance: instance.number ?? 0)
        }
        return .service(ServiceName(name, at: number), friend: friend)
    }
}

/// Which stream with credit to open.
package enum ServiceRequest: Sendable, Equatable {
    /// A named service of the far side: `service.open`.
    case service(String)
    /// Everything sent comes back: `echo`.
    case echo

    var method: Method {
        switch self {
        case .service: .openService
        case .echo: .echo
        }
    }

    var arguments: [JSONValue] {
        switch self {
        case .service(let name): [["name": .string(name)]]
        case .echo: []
        }
    }
}
