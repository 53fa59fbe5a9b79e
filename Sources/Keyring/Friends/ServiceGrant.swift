package import Multiserver

/// Which of an endpoint's services somebody may open.
///
/// Rights at an instance are for its services alone: those of instance 0 go by their names, those of others by names
/// like `1/ssh`. ``ServiceName/all`` in the place of a name stands for all that the instance offers, now and later.
package enum ServiceGrant: Hashable, Sendable {
    /// All that instance 0 offers, now and later, and nothing of any other.
    case all
    /// Those with these names, sorted and each once; use ``services(_:)`` for any others.
    case only([String])

    /// The longest name of a service in bytes, without the instance.
    package static let nameByteCountLimit = 64
    /// The largest number of names.
    package static let nameCountLimit = 256

    /// Some services by name, in whatever order; those that stand beside all of their instance are left out.
    package static func services(_ names: some Sequence<String>) -> ServiceGrant {
        let names = Set(names)
        let wholes = Set(
            names.compactMap { Self.name($0) }.filter { $0.name == ServiceName.all }.map(\.instance))
        let needed = names.filter { text in
            guard let name = Self.name(text), name.name != ServiceName.all else { return true }
            return !wholes.contains(name.instance)
        }
        return needed == [ServiceName.all] ? .all : .only(needed.sorted())
    }

    /// Whether a service may be opened.
    package func includes(_ name: ServiceName) -> Bool {
        switch self {
        case .all: name.instance == 0
        case .only(let names):
            names.contains(name.description)
                || names.contains(ServiceName(ServiceName.all, at: name.instance).description)
        }
    }

    /// What either of the two allows.
    package func union(_ other: ServiceGrant) -> ServiceGrant { .services(names + other.names) }

    /// What is granted at an instance: names there, ``ServiceName/all`` among them for all; `nil` for nothing.
    package func names(at instance: Int) -> Set<String>? {
        let there = names.compactMap { Self.name($0) }.filter { $0.instance == instance }
        return there.isEmpty ? nil : Set(there.map(\.name))
    }

    private var names: [String] {
        switch self {
        case .all: [ServiceName.all]
        case .only(let names): names
        }
    }

    private static func name(_ text: String) -> ServiceName? { try? ServiceName(parsing: text) }

    /// In the order in which it is stored.
    func checked() throws(KeyringError) -> ServiceGrant {
        guard case .only(let names) = self else { return .all }
        guard names.count <= Self.nameCountLimit else { throw .tooManyServices(names.count) }
        for text in names {
            guard let name = Self.name(text), (1...Self.nameByteCountLimit).contains(name.name.utf8.count)
            else {
                throw .badServiceName(text)
            }
        }
        return .services(names)
    }
}

extension ServiceGrant: StoredField {
    init(_ reader: inout RecordReader) throws(RecordFault) {
        guard try !reader.flag() else {
            self = .all
            return
        }
        var names: [String] = []
        for _ in 0..<(try reader.shortNumber()) { names.append(try reader.text()) }
        self = .only(names)
    }

    func write(to writer: inout RecordWriter) {
        switch self {
        case .all: writer.add(true)
        case .only(let names):
            writer.add(false)
            writer.add(UInt16(names.count))
            for name in names { writer.add(name) }
        }
    }
}
