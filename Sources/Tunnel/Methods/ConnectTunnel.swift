internal import Blinding
internal import Connection
internal import Multiserver
internal import MuxRPC
internal import TypedSodium

/// `tunnel.connect`: the portal opens a tunnel to us, which the connection answers.
enum ConnectTunnel: NodeMethod {
    static let method = Method.connect
    static let kind = MethodKind.duplex

    static func isOffered(to caller: MethodCaller) -> Bool {
        if case .portal(announces: true) = caller { true } else { false }
    }

    static func answer(_ call: MethodCall) -> MethodAnswer { .tunnel(TunnelRequest(call.arguments)) }
}

/// A portal's `tunnel.connect` (hop 2), as an endpoint reads it.
///
/// What is left out is filled in as every known portal means it: ssb-room sends no `instance`, ssb-tunnel no
/// `portal`, and only newer ones an `origin`, which proves nothing.
struct TunnelRequest {
    /// The target as the call names it, cut to what an answer repeats.
    let targetText: String
    private let target: String?
    /// Which of this node's instances is meant; `nil` for what is no number of one, such as a text.
    let instance: Int?
    private let portal: JSONValue

    init(_ arguments: [JSONValue]) {
        let fields = arguments.first
        target = fields?["target"]?.string
        targetText = ErrorText.cut(target ?? "")
        portal = fields?["portal"] ?? .null
        instance = Self.instance(fields?["instance"] ?? .null)
    }

    /// Whether it is this node that is meant, behind this portal, by its id.
    func isMeant(for node: PublicKey, through portal: PublicKey) -> Bool {
        target == node.id && isMeant(through: portal)
    }

    /// The token by which somebody behind this portal is meant; `nil` for every other target, whatever it is.
    func token(through portal: PublicKey) -> PairToken? {
        guard let target, isMeant(through: portal) else { return nil }
        return try? PairToken(target: target)
    }

    private func isMeant(through portal: PublicKey) -> Bool {
        self.portal == .null || self.portal.string == portal.id
    }

    /// JavaScript has one kind of number: `1.0` and `1e0` are 1.
    private static func instance(_ value: JSONValue) -> Int? {
        value == .null ? 0 : value.integer.flatMap(Int.init(exactly:))
    }
}
