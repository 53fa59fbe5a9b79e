internal import Connection
internal import MuxRPC
internal import Transport

/// What a portal says that it can do, and how its silence is put up with accordingly.
struct PortalManners: Sendable {
    /// Its features; `nil` where it has not said any.
    let features: Set<String>?
    /// Why it has not; `nil` where the connection ended instead.
    let refusal: RemoteError?
    /// Whether it has answered at all.
    let hasAnswered: Bool

    /// Asks, and has both sides ask each other sooner whether they are there where the portal has many machines; not on a
    /// battery, of which the portal is told.
    init(of link: NodeLink, isOnBattery: Bool) async {
        let arguments: [JSONValue] = isOnBattery ? [["battery": true]] : []
        let reply = try? await link.call(Method.metadata.name, arguments)
        hasAnswered = reply != nil
        switch reply {
        case .value(let json):
            features = json["features"]?.array.map { Set($0.compactMap(\.string)) }
            refusal = nil
        case .failure(let error): (features, refusal) = (nil, error)
        case .string, .binary, nil: (features, refusal) = (nil, nil)
        }
        if has(.cluster), !isOnBattery { link.expect(.amongMachines(fraction: .random(in: 0..<1))) }
    }

    /// Whether it has said so.
    func has(_ feature: Feature) -> Bool { features?.contains(feature.rawValue) == true }
}
