package import ArgumentParser
internal import BoxStream
internal import Glibc
internal import LMDB
internal import Node
internal import Stamp
internal import Transport
internal import TypedSodium

/// `cway`: the root of the command line.
package struct CwayCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    package static let configuration = CommandConfiguration(
        commandName: "cway",
        abstract: "Reach your own devices and friends through a portal that cannot read along.",
        discussion: """
            Two nodes that cannot reach each other both connect to a portal. The portal relays; inside, the two are \
            connected with a secret handshake of their own. Peers are known by their ids, @….ed25519.

            Settings come from flags, from environment variables (CWAY_LOG_LEVEL for --log-level), and from \
            config.json in the home folder, in this order.

            EXAMPLES
              cway demo                             see it at work, on this machine alone
              cway portal --listen '*:8008'         on a server that all can reach
              cway portals add net:…                at home: announce there
              cway invite create --label laptop     a code for a friend, or your laptop
              cway serve --service ssh=22           stay reachable, for friends alone
              cway join --name home                 on the road: asks for the code
              cway connect home ssh --ssh-config    lines for ~/.ssh/config, for 'ssh home'
              cway connect home web --listen 8080   a local port
              cway friend remove laptop             when it was stolen
              cway address                          what to publish, for friends alone
              cway status --watch                   what runs here, and who is connected
              cway doctor                           each hop with its result and remedy
              cway help connect                     explain a command

            EXIT CODES
            \(ExitStatus.table)
            """,
        version: version,
        subcommands: [
            IDCommand.self, PortalsCommand.self, InviteCommand.self, JoinCommand.self, FriendCommand.self,
            ServeCommand.self, ConnectCommand.self, CallCommand.self, SpeedTestCommand.self,
            AddressCommand.self, ResolveCommand.self, KeyringCommand.self, DoctorCommand.self,
            PortalCommand.self, ServiceCommand.self, DemoCommand.self, SettingsCommand.self,
            CompletionsCommand.self,
            StatusCommand.self, ManualCommand.self, ConformanceCommand.self,
        ])

    /// What a report of a fault has to have: two lines.
    private static var version: String {
        let swift = Version.swift.map { "Swift \($0), " } ?? ""
        return "\(Version.text)\n\(swift)libsodium \(SodiumVersion.text), LMDB \(LMDBVersion.text), "
            + "cipher \(CipherChoice.name)"
    }

    /// Made by ArgumentParser.
    package init() {}

    /// Does what comes before everything else, and before the first `await`, with which the runtime opens descriptors.
    package static func prepareProcess() {
        ProcessSetup.holdStandardStreams()
        ProcessSetup.ignoreWriteSignals()
        ServiceManager.takeOver()
        ProcessDescriptors.raiseLimit()
        EventLoops.requireLeast()
    }

    /// Runs the command line of the process and ends the process with the command's code.
    package static func runToExit() async -> Never {
        ProcessSetup.protectMemory(environment: ProcessText.environment)
        ProcessMemory.keepBuffers()
        var status = Self.chooseCipher() ?? ExitStatus.success.rawValue
        if status == ExitStatus.success.rawValue { status = await execute(ProcessText.arguments) }
        if let failure = StandardOutput.ofProcess.finish(), status == ExitStatus.success.rawValue {
            CommandEnvironment.current.complaints("cway: \(failure)\n")
            status = ExitStatus.standardStreamFailed.rawValue
        }
        LogOutput.finish()
        Glibc.exit(status)
    }

    /// Uses the cipher that `CWAY_CIPHER` names, where it names one; the code to end with where it is refused.
    ///
    /// Warns of one that was passed over because it fails its test on this machine.
    private static func chooseCipher() -> Int32? {
        let complaints = CommandEnvironment.current.complaints
        guard let name = ProcessText.environment[ProcessSetup.cipherVariable] else {
            for mistaken in CipherChoice.mistakenNames {
                let words = "the cipher \(mistaken) fails its test here: \(CipherChoice.name) serves"
                complaints("cway: \(words); see `cway doctor`\n")
            }
            return nil
        }
        do throws(CipherChoice.Refusal) {
            try CipherChoice.use(name)
            return nil
        } catch {
            complaints("cway: \(ProcessSetup.cipherVariable)=\(name): \(error)\n".printable)
            return ExitStatus.usage.rawValue
        }
    }

    /// Runs a command line in the current ``CommandEnvironment`` and returns the code to end with.
    ///
    /// Help goes to standard output, everything that failed to standard error.
    package static func execute(_ arguments: [String]) async -> Int32 {
        if arguments.first == "help", let words = UsageComplaint.text(forHelpOn: arguments.dropFirst()) {
            CommandEnvironment.current.complaints(words)
            return ExitStatus.usage.rawValue
        }
        do {
            var command = try parseAsRoot(InstanceOptions.completed(arguments))
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return ExitStatus.success.rawValue
        } catch let failure as CommandFailure {
            CommandEnvironment.current.complaints("cway: \(failure.message)\n")
            return failure.status.rawValue
        } catch let failure as StandardStreamFailure {
            CommandEnvironment.current.complaints("cway: \(failure)\n")
            return ExitStatus.standardStreamFailed.rawValue
        } catch {
            return report(error, arguments)
        }
    }

    /// What ArgumentParser itself throws: help that was asked for, and mistakes in the command line; and what no command
    /// has turned into its failure.
    private static func report(_ error: any Error, _ arguments: [String]) -> Int32 {
        // What was to be said has been.
        if let code = error as? ExitCode { return code.rawValue }
        let code = exitCode(for: error)
        switch code {
        case .success:
            let message = fullMessage(for: error)
            guard !message.isEmpty else { break }
            do {
                try CommandEnvironment.current.output(HelpText.ordered(message) + "\n")
            } catch {
                CommandEnvironment.current.complaints("cway: \(error)\n")
                return ExitStatus.standardStreamFailed.rawValue
            }
        case .validationFailure:
            CommandEnvironment.current.complaints(UsageComplaint.text(for: error, in: arguments))
        default:
            CommandEnvironment.current.complaints("cway: \(CommandFailure(.unexpected, error).message)\n")
        }
        return code.rawValue
    }
}
