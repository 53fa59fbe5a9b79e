internal import MuxRPC

/// Which stream with credit to open.
package enum ServiceRequest: Sendable, Equatable {
    /// A named service of the far side: `service.open`.
    case service(String)
    /// Everything sent comes back: `echo`.
    case echo

    var method: [String] {
        switch self {
        case .service: ["service", "open"]
        case .echo: ["echo"]
        }
    }

    var arguments: [JSONValue] {
        switch self {
        case .service(let name): [["name": .string(name)]]
        case .echo: []
        }
    }
}
