internal import Configuration
public import Multiserver
public import Sodium
internal import Transport

/// What one of a node's instances offers, and to whom; it has nothing of any other's but the portals where it names none.
public struct InstanceSettings: Equatable, Sendable {
    /// The greatest number of instances beside 0.
    public static let countLimit = 256

    /// Services to offer.
    public var services: [ServiceSetting] = []
    /// Who may use them, beside the friends of the keyring whose rights name them.
    public var allow: [PublicKey] = []
    /// Whether everybody may.
    public var allowAnyone = false
    /// Portals to announce at; those of the process where there are none.
    public var portals: [PeerAddress] = []

    /// Nothing is offered.
    public init() {}

    /// What `config.json` says of an instance.
    ///
    /// - Throws: ``SettingsError/badValue(key:origin:reason:)``, also where no service is named.
    init(_ values: [SettingKey: ConfigContent], of number: Int, in path: String) throws(SettingsError) {
        let place = "\(SettingKey.instances.rawValue).\(number)"
        func read<Value, Failure: Error>(
            _ key: SettingKey, _ parse: (String) throws(Failure) -> Value
        ) throws(SettingsError) -> [Value] {
            guard case .stringArray(let texts)? = values[key] else { return [] }
            var parsed: [Value] = []
            for text in texts {
                do throws(Failure) {
                    parsed.append(try parse(text))
                } catch {
                    throw .badValue(key: "\(place).\(key.rawValue)", origin: path, reason: "\(error)")
                }
            }
            return parsed
        }
        services = try read(.services, ServiceSetting.init(_:))
        allow = try read(.allow, PublicKey.init(id:))
        portals = try read(.portals, PeerAddress.init(setting:))
        if case .bool(let flag)? = values[.allowAnyone] { allowAnyone = flag }
        guard !services.isEmpty else {
            throw .badValue(key: place, origin: path, reason: "it offers nothing: write its services")
        }
    }
}

extension Settings {
    /// What every instance offers, by number; 0 is there in any case, and its portals are the process's.
    var offers: [Int: InstanceSettings] {
        var first = InstanceSettings()
        first.services = services
        first.allow = allow
        first.allowAnyone = allowAnyone
        var offers = instances
        offers[0] = first
        return offers
    }

    /// Where the services of all instances are to be had on this machine.
    var targets: [ServiceName: ServiceTarget] {
        var targets: [ServiceName: ServiceTarget] = [:]
        for (number, offer) in offers {
            for service in offer.services { targets[ServiceName(service.name, at: number)] = service.target }
        }
        return targets
    }

    /// A service that one instance offers twice.
    package var repeatedService: ServiceName? {
        for (number, offer) in offers {
            var names: Set<String> = []
            for service in offer.services where !names.insert(service.name).inserted {
                return ServiceName(service.name, at: number)
            }
        }
        return nil
    }

    /// Everybody who is allowed by id, at whichever instance.
    package var allAllowed: [PublicKey] {
        offers.sorted { $0.key < $1.key }.flatMap(\.value.allow)
    }
}
