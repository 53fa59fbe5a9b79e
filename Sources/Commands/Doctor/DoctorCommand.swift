internal import ArgumentParser
internal import BoxStream
internal import Keyring
internal import MuxRPC
internal import NIOCore
internal import NIOPosix
internal import Node
internal import Synchronization
internal import Watching

/// `cway doctor`: every hop that a node depends on.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look at every hop that this node, or the way to a friend, depends on.",
        discussion: """
            Looks at the keyring, dials each portal of this node, compares clocks, and asks each portal for this node \
            itself, to see that its announcement stands. Where no node serves from this home it goes the ways to all \
            friends. With a friend's name, goes the way to that friend through every portal that is known, up to the \
            services and the grant. Where only members of a portal may call, --identify asks as one of them. Each hop is \
            printed with what was found and, where something is wrong, with what to do about it. Nothing is changed but \
            a friend's newer grant, and keys that are of a later day than today, once a portal has confirmed this \
            machine's clock; in a new home the identity and an empty keyring are made, as by any other command.

            With --json, one object per line: {"hop", "verdict", "words", "remedy"}; the verdict is good, odd or bad. \
            A keyring, identity or settings that cannot be read, and a friend who is not known, are findings too, after \
            which the rest is not looked at: the exit code is that of any command that meets them.

            EXAMPLES
              cway doctor
              cway doctor home
              cway doctor --json | jq -r 'select(.verdict == "bad") | .hop'

            Ends with 24 when something does not work.
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var showing: ShownKeyOptions
    @OptionGroup private var local: LocalOptions
    @OptionGroup private var chosen: ChosenInstanceOptions

    @Argument(help: ArgumentHelp("A friend's name or id.", valueName: "friend"))
    private var friend: String?

    @Flag(name: .long, help: "Print JSON, one finding per line.") private var json = false

    func validate() throws {
        guard friend != nil || chosen.instance == nil else {
            throw ValidationError("--instance is one of a friend's: name the friend.")
        }
    }

    func run() async throws {
        let isSick: Bool
        do {
            isSick = try await examine()
        } catch let failure as CommandFailure {
            if json, let hop = hop(of: failure.status) {
                // The failure that is told already counts, even where this cannot be written.
                try? CommandEnvironment.current.print(
                    json: Finding(hop, failure: failure.message).json.description)
            }
            throw failure
        }
        guard !isSick else {
            let bad = json ? "the findings whose verdict is bad" : "what is marked ✗"
            throw CommandFailure(.unhealthy, "something does not work: see \(bad)")
        }
    }

    /// Looks at all of it; whether something does not work.
    private func examine() async throws -> Bool {
        let opened = try options.open()
        let friend = try friend.map { try FriendReference.friend($0, in: opened) }
        var flags = options.common.flags
        local.add(to: &flags)
        let (settings, logger) = try await options.common.settings(in: opened.home, flags: flags)
        let (environment, json, instance) = (CommandEnvironment.current, json, chosen.instance ?? 0)
        let isSick = Mutex(false)
        let report: @Sendable (Finding) throws -> Void = { finding in
            if finding.verdict == .bad { isSick.withLock { $0 = true } }
            try environment.print(json ? finding.json.description : finding.line, isJSON: json)
        }
        let doctor = Doctor(
            identity: opened.identity, keyring: opened.keyring, settings: settings,
            servingProcess: try servingProcess(opened), outerKey: showing.outerKey, logger: logger,
            report: report)
        let cipher = cipher
        try await Interruption.run { eventLoop in
            if let friend {
                try await doctor.examine(friend, instance: instance, on: eventLoop)
            } else {
                try report(cipher)
                let check = ClusterCheck(settings.cluster)
                for finding in await check.findings(on: eventLoop) { try report(finding) }
                if let finding = await check.entryFinding() { try report(finding) }
                for cluster in (try? await StatusClient.clusters(ofHome: opened.home.path)) ?? [] {
                    try report(ClusterText.finding(of: cluster))
                }
                try await doctor.examineNode(on: eventLoop)
            }
        }
        return isSick.withLock(\.self)
    }

    /// The hop that cannot be looked at, nor any behind it, when the command ends so.
    private func hop(of status: ExitStatus) -> String? {
        switch status {
        case .identityUnusable: "identity"
        case .keyringUnusable: "keyring"
        case .settingsUnusable: "settings"
        case .notFound: friend.map { "friend \($0.trimmed)" }
        default: nil
        }
    }

    /// What seals and opens boxes here.
    private var cipher: Finding {
        let mistaken = CipherChoice.mistakenNames
        guard mistaken.isEmpty else {
            return Finding(
                "cipher", .odd,
                "\(mistaken.joined(separator: ", ")) fails its test on this machine: \(CipherChoice.name) serves",
                remedy: "connections are slower, and safe; report it with the processor's name")
        }
        return Finding("cipher", .good, "\(CipherChoice.name) seals and opens boxes")
    }

    /// The process that serves from the keyring just now.
    private func servingProcess(_ opened: OpenedKeyring) throws(CommandFailure) -> Int? {
        do throws(KeyringError) {
            // Had for a moment, it shows that nobody else has it.
            _ = try ServingLock(folder: opened.home.path)
            return nil
        } catch {
            guard case .alreadyServing(let process) = error else { throw CommandFailure(error) }
            return process ?? 0
        }
    }
}

extension Finding {
    /// For people: a mark, the hop, what was found, what to do.
    fileprivate var line: String {
        let mark =
            switch verdict {
            case .good: "✓"
            case .odd: "!"
            case .bad: "✗"
            }
        let words = "\(mark) \(hop): \(words)".printableLine
        return remedy.map { "\(words)\n    → \($0.printableLine)" } ?? words
    }

    /// For scripts.
    fileprivate var json: JSONValue {
        [
            "hop": .string(hop), "verdict": .string(verdict.rawValue), "words": .string(words),
            "remedy": remedy.map { .string($0) } ?? .null,
        ]
    }
}
