internal import Keyring
internal import Logging

/// A setting: how `config.json` names it, what it takes, and for whom it is.
///
/// docs/settings.md has a row for each, and a test holds the two to be the same.
package enum SettingKey: String, CaseIterable, Sendable {
    case name
    case logLevel
    case logFormat
    case listen
    case publicHost
    case portals
    case services
    case allow
    case allowAnyone
    case visible
    case instances
    case allowLocal
    case battery
    case network
    case memory = "limits.memory"
    case trustedProxies = "limits.trustedProxies"
    case connectionsPerAddress = "limits.connectionsPerAddress"
    case handshakesPerSecond = "limits.handshakesPerSecondPerAddress"
    case memberRate = "limits.memberRate"
    case memberVolume = "limits.memberVolume"
    case sourceRate = "limits.sourceRate"
    case sourceVolume = "limits.sourceVolume"
    case metrics
    case metricsTokenFile
    case exactMetrics
    case page
    case pageTokenFile
    case clusterServers = "cluster.servers"
    case clusterListen = "cluster.listen"
    case clusterAdvertise = "cluster.advertise"
    case clusterAuthorityFile = "cluster.authorityFile"
    case clusterCredentialsFile = "cluster.credentialsFile"
    case clusterDrain = "cluster.drain"

    /// What JSON has to have in this place.
    package enum Kind: Sendable {
        case text, texts, flag, count, instances
    }

    /// When a process that runs follows a change of the file.
    package enum Change: String, Sendable {
        /// When it gets SIGHUP.
        case reload
        /// When it is started again.
        case restart
    }

    /// What there is to know about a setting, in words for its row in the document.
    package struct Meaning: Sendable {
        /// What JSON has to have in this place.
        package let kind: Kind
        /// What it takes, behind the word "write".
        package let takes: String
        /// What counts where nothing is said.
        package let standard: String
        /// Which commands read it.
        package let readers: String
        /// When a process that runs follows a change.
        package let change: Change

        init(
            _ kind: Kind, _ takes: String, standard: String, for readers: String, _ change: Change
        ) {
            (self.kind, self.takes, self.standard) = (kind, takes, standard)
            (self.readers, self.change) = (readers, change)
        }
    }

    /// The largest number that a limit may be set to.
    static let limitRange = 1...1_000_000

    private static let rate = "a whole number with its unit, from 64kB/s on, like 20MB/s"
    private static let volume = "a whole number with its unit, from 64kB to 1000TB, like 500GB"
    private static let limit = "a whole number from 1 to \(limitRange.upperBound)"
    private static let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")

    /// What there is to know about it.
    package var meaning: Meaning {
        switch self {
        case .name:
            Meaning(
                .text, "a text of 1 to \(CircleGrant.nameByteCountLimit) bytes that can be printed",
                standard: "node", for: "serve", .reload)
        case .logLevel: Meaning(.text, "one of \(Self.levels)", standard: "info", for: "all", .reload)
        case .logFormat: Meaning(.text, "plain or json", standard: "plain", for: "all", .reload)
        case .listen:
            Meaning(
                .texts, "a list of HOST:PORT, or *:PORT for all addresses", standard: "nowhere",
                for: "portal", .restart)
        case .publicHost:
            Meaning(
                .text, "a host's name or IP address, without a port",
                standard: "the host of listen, or localhost for all addresses", for: "portal", .restart)
        case .portals:
            Meaning(
                .texts, "a list of addresses, net:HOST:PORT~shs:KEY", standard: "those of cway portals",
                for: "serve, and all that dial", .reload)
        case .services:
            Meaning(
                .texts, "a list of NAME=HOST:PORT or NAME=unix:PATH", standard: "none", for: "serve",
                .reload)
        case .allow: Meaning(.texts, "a list of ids, @KEY.ed25519", standard: "none", for: "serve", .reload)
        case .allowAnyone: Meaning(.flag, "true or false", standard: "false", for: "serve", .reload)
        case .visible: Meaning(.flag, "true or false", standard: "false", for: "serve", .restart)
        case .instances:
            Meaning(
                .instances,
                "an object with services, allow, allowAnyone and portals for each number from 1 on",
                standard: "none", for: "serve", .reload)
        case .allowLocal: Meaning(.flag, "true or false", standard: "false", for: "all that dial", .restart)
        case .battery:
            Meaning(.flag, "true or false", standard: "false", for: "serve, connect", .restart)
        case .network:
            Meaning(
                .text, "32 bytes as 64 hexadecimal digits or 44 characters of Base64",
                standard: "the main network", for: "all", .restart)
        case .memory:
            Meaning(
                .text, "a whole number from 16MiB to 64GiB, like 128MiB",
                standard: "a quarter of the machine's, from 64MiB to 256MiB", for: "serve, portal", .restart)
        case .trustedProxies:
            Meaning(
                .texts, "a list of addresses or ranges, like 10.0.0.0/8, or unix", standard: "none",
                for: "portal",
                .reload)
        case .connectionsPerAddress:
            Meaning(.count, Self.limit, standard: "its share", for: "portal", .reload)
        case .handshakesPerSecond:
            Meaning(.count, Self.limit, standard: "its share", for: "portal", .reload)
        case .memberRate, .sourceRate:
            Meaning(.text, Self.rate, standard: "its share", for: "portal", .reload)
        case .memberVolume, .sourceVolume:
            Meaning(.text, Self.volume, standard: "any", for: "portal", .reload)
        case .metrics:
            Meaning(.text, WatchAddress.words, standard: "nowhere", for: "serve, portal", .restart)
        case .metricsTokenFile:
            Meaning(.text, "the path of a file", standard: "none", for: "serve, portal", .restart)
        case .exactMetrics:
            Meaning(.flag, "true or false", standard: "false", for: "serve, portal", .restart)
        case .page: Meaning(.text, WatchAddress.words, standard: "nowhere", for: "portal", .restart)
        case .pageTokenFile:
            Meaning(.text, "the path of a file", standard: "none", for: "portal", .restart)
        case .clusterServers:
            Meaning(
                .texts, ClusterServer.words, standard: "none: the portal is on one machine", for: "portal",
                .restart)
        case .clusterListen:
            Meaning(
                .text, "HOST:PORT, or *:PORT for all addresses", standard: "none", for: "portal", .restart)
        case .clusterAdvertise:
            Meaning(.text, "HOST:PORT", standard: "cluster.listen", for: "portal", .restart)
        case .clusterAuthorityFile:
            Meaning(.text, "the path of a file", standard: "the system's", for: "portal", .restart)
        case .clusterCredentialsFile:
            Meaning(.text, "the path of a file", standard: "none", for: "portal", .restart)
        case .clusterDrain:
            Meaning(
                .count,
                "a whole number from \(ClusterSettings.drainRange.lowerBound) to "
                    + "\(ClusterSettings.drainRange.upperBound)",
                standard: "\(ClusterSettings.standardDrain)", for: "portal", .restart)
        }
    }

    /// A value that it may have, as the file has it.
    package var example: String {
        let key = "51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="
        return switch self {
        case .name: "\"home\""
        case .logLevel: "\"debug\""
        case .logFormat: "\"json\""
        case .listen: "[\"*:8008\"]"
        case .publicHost: "\"portal.example.org\""
        case .portals: "[\"net:portal.example.org:8008~shs:\(key)\"]"
        case .services: "[\"ssh=localhost:22\"]"
        case .allow: "[\"@\(key).ed25519\"]"
        case .allowAnyone, .visible, .allowLocal, .battery: "true"
        case .instances: "{\"1\": {\"services\": [\"web=localhost:80\"]}}"
        case .network: "\"1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=\""
        case .memory: "\"128MiB\""
        case .trustedProxies: "[\"10.0.0.0/8\"]"
        case .connectionsPerAddress: "64"
        case .handshakesPerSecond: "20"
        case .memberRate, .sourceRate: "\"20MB/s\""
        case .memberVolume, .sourceVolume: "\"500GB\""
        case .metrics: "\"localhost:9464\""
        case .metricsTokenFile: "\"/etc/companionway/metrics.token\""
        case .exactMetrics: "true"
        case .page: "\"localhost:8080\""
        case .pageTokenFile: "\"/etc/companionway/page.token\""
        case .clusterServers: "[\"nats://nats.example.org:4222\"]"
        case .clusterListen, .clusterAdvertise: "\"10.0.0.1:8009\""
        case .clusterAuthorityFile: "\"/etc/companionway/nats-ca.pem\""
        case .clusterCredentialsFile: "\"/etc/companionway/nats.creds\""
        case .clusterDrain: "10"
        }
    }

    /// The environment variable: capitals, with underscores between words and levels.
    ///
    /// The same rule as swift-configuration's, which keeps it to itself.
    package var variable: String {
        rawValue.reduce(into: "CWAY_") { name, letter in
            if letter.isUppercase { name += "_" }
            name += letter == "." ? "_" : letter.uppercased()
        }
    }

    /// What an instance beside 0 may say of itself.
    static let ofInstances = [services, allow, allowAnyone, portals]

    // MARK: Places in the file

    /// The setting at a place in the file, from the outermost name inwards.
    init?(at path: [String]) { self.init(rawValue: path.joined(separator: ".")) }

    /// The names that an object at a place in the file may have; none where there is no object.
    static func names(below path: [String]) -> [String] {
        let places = allCases.map { $0.rawValue.split(separator: ".").map(String.init) }
        let below = places.filter { $0.count > path.count && Array($0.prefix(path.count)) == path }
        return below.map { $0[path.count] }.reduce(into: []) { names, name in
            if !names.contains(name) { names.append(name) }
        }
    }
}
