public import ArgumentParser
internal import Foundation
internal import Node
internal import Transport

/// `cway`: the root of the command line.
public struct CwayCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    public static let configuration = CommandConfiguration(
        commandName: "cway",
        abstract: "Reach your own devices and friends through a portal that cannot read along.",
        discussion: """
            Two nodes that cannot reach each other both connect to a portal. The portal relays; inside, the two are \
            connected with a secret handshake of their own. Peers are known by their ids, @….ed25519.

            Settings come from flags, from environment variables (CWAY_LOG_LEVEL for --log-level), and from \
            config.json in the home folder, in this order.

            EXAMPLES
              cway demo                                    see all of it at work, on this machine alone
              cway portal --listen '*:8008'                on a server that all can reach
              cway portals add net:…                       at home: announce there
              cway invite create --label laptop            print a code for a friend, or your own laptop
              cway serve --service ssh=localhost:22        stay reachable for friends, and for nobody else
              cway join --name home                        on the road: redeem the code, which it asks for
              cway connect home ssh --ssh-config           then, as ssh's ProxyCommand
              cway connect home web --listen localhost:8080
              cway friend remove laptop                    when it was stolen
              cway address                                 an address that friends alone can resolve
              cway doctor                                  each hop with its result, and what to do
              cway help connect                            explain a command

            EXIT CODES
            \(ExitStatus.table)
            """,
        subcommands: [
            IDCommand.self, PortalsCommand.self, InviteCommand.self, JoinCommand.self, FriendCommand.self,
            ServeCommand.self, ConnectCommand.self, CallCommand.self, SpeedTestCommand.self,
            AddressCommand.self, ResolveCommand.self, KeyringCommand.self, DoctorCommand.self,
            PortalCommand.self, DemoCommand.self, ConformanceCommand.self,
        ])

    /// Made by ArgumentParser.
    public init() {}

    /// Does what comes before everything else, and before the first `await`, with which the runtime opens descriptors.
    public static func prepareProcess() {
        ProcessSetup.holdStandardStreams()
        ProcessSetup.ignoreWriteSignals()
        ProcessDescriptors.raiseLimit()
        EventLoops.requireLeast()
    }

    /// Runs the command line of the process and ends the process with the command's code.
    public static func runToExit() async -> Never {
        ProcessSetup.protectMemory(environment: ProcessText.environment)
        ProcessMemory.keepBuffers()
        var status = await execute(ProcessText.arguments)
        if let failure = StandardOutput.ofProcess.finish(), status == ExitStatus.success.rawValue {
            Surroundings.current.complaints("cway: \(failure)\n")
            status = ExitStatus.standardStreamFailed.rawValue
        }
        LogOutput.finish()
        Foundation.exit(status)
    }

    /// Runs a command line in the current ``Surroundings`` and returns the code to end with.
    ///
    /// Help goes to standard output, everything that failed to standard error.
    public static func execute(_ arguments: [String]) async -> Int32 {
        do {
            var command = try parseAsRoot(InstanceOptions.completed(arguments))
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return ExitStatus.success.rawValue
        } catch let failure as CommandFailure {
            Surroundings.current.complaints("cway: \(failure.message)\n")
            return failure.status.rawValue
        } catch let failure as StandardStreamFailure {
            Surroundings.current.complaints("cway: \(failure)\n")
            return ExitStatus.standardStreamFailed.rawValue
        } catch {
            return report(error)
        }
    }

    /// What ArgumentParser itself throws: help that was asked for, and mistakes in the command line.
    private static func report(_ error: any Error) -> Int32 {
        let code = exitCode(for: error)
        let message = fullMessage(for: error)
        let words = message.isEmpty ? "" : message + "\n"
        if code.isSuccess {
            do {
                try Surroundings.current.output(words)
            } catch {
                Surroundings.current.complaints("cway: \(error)\n")
                return ExitStatus.standardStreamFailed.rawValue
            }
        } else {
            Surroundings.current.complaints(words.printable)
        }
        return code.rawValue
    }
}
