internal import ArgumentParser
internal import Multiserver
internal import Node
internal import TypedSodium

/// What one instance of a node offers, and to whom: the options of `cway serve` before the first `--instance`, and again
/// of every instance that follows.
struct OfferOptions: ParsableArguments, Sendable {
    @Option(
        name: .customLong("portal"),
        help: ArgumentHelp(
            "The address of a portal to announce at; several are served side by side.",
            discussion: "Default: those of the settings, else those of `cway portals list`.",
            valueName: "address"),
        transform: DialOptions.portal)
    private var portals: [[PeerAddress]] = []

    /// Every address of every portal that was named.
    var portal: [PeerAddress] { portals.flatMap(\.self) }

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A service: its name, and the port or socket behind it; may be given several times.",
            discussion: "NAME=PORT for one of this machine, NAME=HOST:PORT, or NAME=unix:PATH.",
            valueName: "name=target"),
        transform: Parsing.service)
    var service: [ServiceSetting] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The id of somebody who may connect beside the friends of the keyring; may be given several times.",
            valueName: "@id"),
        transform: Parsing.id)
    var allow: [PublicKey] = []

    @Flag(name: .long, help: "Let anyone connect who knows this node's id and portal.")
    var allowAnyone = false

    /// The same, as a setting.
    fileprivate var settings: InstanceSettings {
        var settings = InstanceSettings()
        settings.portals = portal
        settings.services = service
        settings.allow = allow
        settings.allowAnyone = allowAnyone
        return settings
    }
}

/// The instances of `cway serve` beside 0, each a section of the command line.
struct InstanceOptions: ParsableArguments, Sendable {
    @Option(
        name: .customLong("instance"), parsing: .remaining,
        help: ArgumentHelp(
            "Another instance under the same identity, which friends know by its number, from 1 on.",
            discussion: """
                What follows belongs to it, up to the next --instance: --service, --allow, --allow-anyone and --portal. \
                What stands before the first is instance 0. An instance without a --portal is announced at those of \
                the node; of services and permissions it has its own alone. Friends may open what their rights name, \
                like 1/ssh.
                """,
            valueName: "n"))
    private var words: [String] = []

    func validate() throws { _ = try instances() }

    /// What each instance offers, by number.
    ///
    /// - Throws: `ValidationError`, which names the section that is wrong.
    func instances() throws -> [Int: InstanceSettings] {
        var instances: [Int: InstanceSettings] = [:]
        for section in try sections() {
            let (number, arguments) = (section.number, section.arguments)
            guard instances[number] == nil else {
                throw ValidationError("There are two sections --instance \(number): put them together.")
            }
            guard instances.count < InstanceSettings.countLimit else {
                throw ValidationError("There are more than \(InstanceSettings.countLimit) instances.")
            }
            instances[number] = try Self.settings(of: number, arguments)
        }
        return instances
    }

    private static let option = "--instance"

    /// The command line with an empty word behind a last `--instance`, which would count for nothing.
    static func completed(_ arguments: [String]) -> [String] {
        arguments.last == option ? arguments + [""] : arguments
    }

    /// The command line behind the first `--instance`, cut at each.
    private func sections() throws -> [(number: Int, arguments: ArraySlice<String>)] {
        var sections: [(Int, ArraySlice<String>)] = []
        var rest = words[...]
        while let text = rest.popFirst() {
            guard let number = try? ServiceName.instance(text), number > 0 else {
                throw ValidationError(
                    "\(Self.option) takes the number of an instance, from 1 on, instead of '\(text)': what stands "
                        + "before the first is instance 0.")
            }
            let end =
                rest.firstIndex { $0 == Self.option || $0.hasPrefix(Self.option + "=") } ?? rest.endIndex
            sections.append((number, rest[..<end]))
            rest = rest[end...]
            guard let next = rest.popFirst() else { break }
            if next.hasPrefix(Self.option + "=") {
                rest = [String(next.dropFirst(Self.option.count + 1))] + rest
            }
        }
        return sections
    }

    private static func settings(of number: Int, _ arguments: ArraySlice<String>) throws -> InstanceSettings {
        let place = "\(option) \(number)"
        if arguments.contains("--help") || arguments.contains("-h") {
            throw CleanExit.helpRequest(ServeCommand.self)
        }
        let options: OfferOptions
        do {
            options = try OfferOptions.parse(Array(arguments))
        } catch {
            throw ValidationError(
                "\(place): \(OfferOptions.message(for: error)). Behind it stand --service, --allow, --allow-anyone and "
                    + "--portal; what is for the whole node stands before the first \(option).")
        }
        guard !options.service.isEmpty else {
            throw ValidationError("\(place) offers nothing: give it a --service NAME=PORT.")
        }
        return options.settings
    }
}
