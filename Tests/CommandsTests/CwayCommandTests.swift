import Commands
import Node
import Testing

@Suite("cway")
struct CwayCommandTests {
    @Test("explains itself on standard output", arguments: ["--help", "-h", "help"])
    func help(argument: String) async {
        let run = await CommandRun(argument)
        #expect(run.code == 0 && run.complaints.isEmpty)
        #expect(run.output.contains("EXAMPLES") && run.output.contains("SUBCOMMANDS"))
        for status in ExitStatus.allCases {
            #expect(run.output.contains("\(status.rawValue)  \(status.summary.prefix(20))"))
        }
    }

    @Test("explains itself when it is given nothing to do")
    func noArguments() async {
        let environment = await CommandRun("help")
        let run = await CommandRun([])
        #expect(run.output == environment.output && run.code == 0)
    }

    @Test(
        "explains every command",
        arguments: [
            "id", "call", "speedtest", "connect", "serve", "join", "address", "resolve", "demo", "portals",
            "portals add", "portals list", "portals remove", "portals open", "portals hide", "invite",
            "invite create", "invite list", "invite revoke", "friend", "friend list", "friend show",
            "friend allow", "friend rename", "friend remove", "keyring", "keyring check", "keyring backup",
            "keyring restore", "portal", "portal run", "portal policy", "portal invite", "portal invites",
            "portal invites list", "portal invites revoke", "portal members", "portal members list",
            "portal members add", "portal members remove", "portal deny", "portal allow",
        ])
    func helpOfCommand(name: String) async {
        let run = await CommandRun(["help"] + name.split(separator: " ").map(String.init))
        #expect(run.code == 0 && run.output.contains("USAGE: cway \(name)"))
        #expect(run.output.contains("EXAMPLES"))
    }

    @Test("complains about mistakes on standard error, with the code for wrong usage")
    func usage() async {
        let network = String(repeating: "0", count: 63)
        let lines = [
            ["nonsense"], ["id", "extra"], ["id", "--home"], ["id", "--log-level", "loud"], ["--nonsense"],
            ["id", "--network", network],
        ]
        for line in lines {
            let run = await CommandRun(line)
            #expect(run.code == ExitStatus.usage.rawValue, "\(line)")
            #expect(run.output.isEmpty && run.complaints.contains("Usage: cway"))
        }
    }

    @Test("shows no control characters of a peer")
    func controlCharacters() {
        let failure = CommandFailure(.methodFailed, "a\u{1B}[2Jb\u{9B}c\r\nd é")
        #expect(failure.message == "a\\u{1b}[2Jb\\u{9b}c\\u{d}\nd é")
    }

    @Test("has a code of its own for every cause")
    func codes() {
        #expect(Set(ExitStatus.allCases.map(\.rawValue)).count == ExitStatus.allCases.count)
        #expect(Set(ExitStatus.allCases.map(\.summary)).count == ExitStatus.allCases.count)
        #expect(ExitStatus.allCases.allSatisfy { (0...125).contains($0.rawValue) })
    }
}
