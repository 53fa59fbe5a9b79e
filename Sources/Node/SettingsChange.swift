/// What becomes of a running process when its settings are read again.
extension Settings {
    /// Which settings differ from those before, as far as a running process can follow.
    ///
    /// Puts those back that count from the next start on, and gives their names apart.
    package mutating func follow(_ former: Settings) -> (changed: [SettingKey], delayed: [SettingKey]) {
        var (changed, delayed): ([SettingKey], [SettingKey]) = ([], [])
        for key in SettingKey.allCases {
            var kept = self
            kept.take(key, from: former)
            guard kept != self else { continue }
            switch key.meaning.change {
            case .reload: changed.append(key)
            case .restart:
                delayed.append(key)
                self = kept
            }
        }
        return (changed, delayed)
    }

    private mutating func take(_ key: SettingKey, from other: Settings) {
        switch key {
        case .name: name = other.name
        case .logLevel: logLevel = other.logLevel
        case .listen: listen = other.listen
        case .portals: portals = other.portals
        case .services: services = other.services
        case .allow: allow = other.allow
        case .allowAnyone: allowAnyone = other.allowAnyone
        case .instances: instances = other.instances
        case .allowLocal: allowLocal = other.allowLocal
        case .network: network = other.network
        case .memory: limits.memory = other.limits.memory
        case .trustedProxies: limits.trustedProxies = other.limits.trustedProxies
        case .connectionsPerAddress: limits.connectionsPerAddress = other.limits.connectionsPerAddress
        case .handshakesPerSecond:
            limits.handshakesPerSecondPerAddress = other.limits.handshakesPerSecondPerAddress
        }
    }
}
