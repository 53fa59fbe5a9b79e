internal import Configuration
package import Multiserver
package import TypedSodium

/// What one of a node's instances offers, and to whom; it has nothing of any other's but the portals where it names none.
package struct InstanceSettings: Equatable, Sendable {
    /// The greatest number of instances beside 0.
    package static let countLimit = 256

    /// Services to offer.
    package var services: [ServiceSetting] = []
    /// Who may use them, beside the friends of the keyring whose rights name them.
    package var allow: [PublicKey] = []
    /// Whether everybody may.
    package var allowAnyone = false
    /// Portals to announce at; those of the process where there are none.
    package var portals: [PeerAddress] = []

    /// Nothing is offered.
    package init() {}

    /// What `config.json` says of an instance.
    ///
    /// - Throws: ``SettingsError/badValue(key:origin:reason:)``, also where no service is named.
    init(_ values: [SettingKey: ConfigContent], of number: Int, in path: String) throws(SettingsError) {
        let place = "\(SettingKey.instances.rawValue).\(number)"
        func read<Value, Failure: Error>(
            _ key: SettingKey, _ parse: (String) throws(Failure) -> [Value]
        ) throws(SettingsError) -> [Value] {
            guard case .stringArray(let texts)? = values[key] else { return [] }
            var parsed: [Value] = []
            for text in texts {
                do throws(Failure) {
                    parsed += try parse(text)
                } catch {
                    throw .badValue(key: "\(place).\(key.rawValue)", origin: path, reason: "\(error)")
                }
            }
            return parsed
        }
        services = try read(.services) { (text) throws(ServiceSettingError) in [try ServiceSetting(text)] }
        allow = try read(.allow) { (text) throws(AddressError) in [try PublicKey(id: text)] }
        portals = try read(.portals, PeerAddress.alternatives(in:))
        if case .bool(let flag)? = values[.allowAnyone] { allowAnyone = flag }
        guard !services.isEmpty else {
            throw .badValue(key: place, origin: path, reason: "it offers nothing: write its services")
        }
    }
}
