internal import ArgumentParser
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node

/// `cway keyring check`.
///
/// A store is mapped into memory, and a damaged one can end the process that touches it: a child is sent ahead.
struct KeyringCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Look at every page and every value of the keyring, without changing any.",
        discussion: """
            A node may run meanwhile. JSON is {"owner", "copied", "sequence", "vault", "friends", "invites", \
            "entries"}; the vault is matching or lost; copied is when the copy was made, null for an original. \
            Ends with 19 where there is no keyring yet, with 23 where one is damaged or lost.

            EXAMPLES
              cway keyring check
              cway keyring check --json | jq .friends
            """)

    @OptionGroup private var common: CommonOptions
    @Flag(name: .long, help: "Print JSON.") private var json = false

    @Flag(
        name: .customLong("in-process"),
        help: ArgumentHelp(
            "Look at it in this process, which a damaged keyring can end.", visibility: .hidden))
    private var isInProcess = false

    func run() async throws {
        let home = try common.preparedHome()
        guard !home.hasNoKeyringYet else { throw CommandFailure.noKeyringYet("check") }
        guard isInProcess else {
            let arguments =
                ["keyring", "check", "--in-process", "--home", home.path] + (json ? ["--json"] : [])
            return try Self.conclude(from: ChildCommand.run(arguments))
        }
        let report: KeyringReport
        do throws(KeyringError) {
            report = try KeyringCheck.run(folder: home.path)
        } catch {
            throw CommandFailure(error)
        }
        try CommandEnvironment.current.print(
            json ? Self.json(report).description : Self.words(report), isJSON: json)
        guard report.vault == .matching || report.copiedAt != nil else {
            throw CommandFailure(
                .keyringUnusable,
                "the vault does not open this keyring: run `cway keyring restore`, which gives your circle a new key"
            )
        }
    }

    /// What a child's end says: its code where it ended by itself, a damaged keyring where a signal ended it.
    static func conclude(from ending: ChildCommand.Ending) throws {
        switch ending {
        case .exited(0): return
        // It has said why.
        case .exited(let code): throw ExitCode(code)
        case .killed(let signal):
            throw CommandFailure(
                .keyringUnusable,
                "the keyring is damaged: looking at it ended in signal \(signal). Stop the node, move keyring.mdb and "
                    + "keyring.vault away, and restore a backup with `cway keyring restore FILE`")
        }
    }

    private static func words(_ report: KeyringReport) -> String {
        let kind = report.copiedAt.map { "a copy made at \(TimeText.text($0))" } ?? "an original"
        let vault = report.vault == .matching ? "its vault opens it" : "its vault does not open it"
        return """
            every page and every value is intact: \(kind), \(vault)
            owner    \(report.owner.id)
            friends  \(report.friendCount)
            invites  \(report.inviteCount)
            entries  \(report.entryCount)
            changes  \(report.sequence)
            """
    }

    private static func json(_ report: KeyringReport) -> JSONValue {
        [
            "owner": .string(report.owner.id), "copied": .time(report.copiedAt),
            "sequence": .integer(Int64(clamping: report.sequence)),
            "vault": .string(report.vault == .matching ? "matching" : "lost"),
            "friends": .count(report.friendCount), "invites": .count(report.inviteCount),
            "entries": .count(report.entryCount),
        ]
    }
}

/// A command of this program that runs in a process of its own, for what may end in a signal.
enum ChildCommand {
    /// How it ended.
    enum Ending: Equatable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    /// Runs a command line, which writes to the same places as this process, and waits for its end.
    ///
    /// - Throws: ``CommandFailure``.
    static func run(_ arguments: [String]) throws(CommandFailure) -> Ending {
        let child: OwnProgram
        do throws(OwnProgram.Failure) {
            child = try OwnProgram(starting: arguments)
        } catch {
            throw CommandFailure(.unexpected, "the program could not start itself: \(error)")
        }
        let status = child.wait()
        // See wait(2): the low seven bits are the signal, the next eight the code.
        return status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: status & 0x7F)
    }
}
