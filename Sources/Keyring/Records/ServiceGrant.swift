/// Which of an endpoint's services somebody may open.
public enum ServiceGrant: Hashable, Sendable {
    /// All that it offers, now and later.
    case all
    /// Those with these names, sorted and each once; use ``services(_:)`` for any others.
    case only([String])

    /// The longest name of a service in bytes.
    public static let nameByteCountLimit = 64
    /// The largest number of names.
    public static let nameCountLimit = 256

    /// Some services by name, in whatever order.
    public static func services(_ names: some Sequence<String>) -> ServiceGrant {
        .only(Set(names).sorted())
    }

    /// Whether a service may be opened.
    public func includes(_ name: String) -> Bool {
        switch self {
        case .all: true
        case .only(let names): names.contains(name)
        }
    }

    /// What either of the two allows.
    public func union(_ other: ServiceGrant) -> ServiceGrant {
        switch (self, other) {
        case (.only(let names), .only(let more)): .services(names + more)
        default: .all
        }
    }

    /// In the order in which it is stored.
    func checked() throws(KeyringError) -> ServiceGrant {
        guard case .only(let names) = self else { return .all }
        guard names.count <= Self.nameCountLimit else { throw .tooManyServices(names.count) }
        for name in names where !(1...Self.nameByteCountLimit).contains(name.utf8.count) {
            throw .badServiceName(name)
        }
        return .services(names)
    }
}

extension RecordWriter {
    mutating func add(_ services: ServiceGrant) {
        switch services {
        case .all: add(true)
        case .only(let names):
            add(false)
            add(UInt16(names.count))
            for name in names { add(name) }
        }
    }
}

extension RecordReader {
    mutating func services() throws(RecordFault) -> ServiceGrant {
        if try flag() { return .all }
        var names: [String] = []
        for _ in 0..<(try shortNumber()) { names.append(try text()) }
        return .only(names)
    }
}
