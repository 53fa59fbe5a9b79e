internal import Connection
internal import Multiserver
internal import MuxRPC

/// `whoami`: the key that the caller has proved.
enum WhoAmI: NodeMethod {
    static let method = Method.whoAmI

    static func isOffered(to caller: MethodCaller) -> Bool { true }

    static func answer(_ call: MethodCall) -> MethodAnswer { .value(["id": .string(call.peer?.id ?? "")]) }
}
