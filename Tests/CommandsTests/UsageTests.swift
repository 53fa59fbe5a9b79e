import Commands
import Foundation
import Node
import Testing

@Suite("What is said of a wrong command line, and in help")
struct UsageTests {
    @Test(
        "a mistake takes two lines: what is wrong, and what to type",
        arguments: [
            "nonsense", "friend add", "id extra", "id --extra", "--home x id", "connect", "connect anna",
            "connect a b", "resolve", "serve --service ssh", "serve --service ssh=99999",
            "connect a b --listen x", "portals remove", "friend rename a", "call", "speedtest a --size 0",
            "address --day never", "id --log-level loud", "join --name", "help frend", "portal --memory much",
            "connect a b --stdio --user me", "connect a b --ssh-config --user -x",
        ])
    func twoLines(_ line: String) async {
        let run = await CommandRun(line.split(separator: " ").map(String.init) + ["--home", "/nonexistent"])
        #expect(run.code == ExitStatus.usage.rawValue && run.output.isEmpty, "\(run)")
        let lines = run.complaints.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 3 && lines.last == "", "\(run)")
        #expect(lines[0].hasPrefix("cway: ") && lines[1].hasPrefix("Usage: cway "), "\(run)")
        #expect(lines[1].contains("--help'") && !lines[1].contains("--network"))
        #expect(lines[0].dropFirst(6).first?.isUppercase == false && !lines[0].contains("Error"))
    }

    @Test(
        "a command that is none is named, with the nearest",
        arguments: [
            ("friend add", ["cway friend allow", "cway invite create"]), ("frend", ["cway friend"]),
            ("friend lst", ["cway friend list"]), ("friend delete", ["cway friend remove"]),
            ("portal start", ["cway portal run"]), ("portals ls", ["cway portals list"]),
            ("invite rm", ["cway invite revoke"]), ("revoke", ["cway invite revoke"]),
            ("srve", ["cway serve"]), ("conect anna ssh", ["cway connect"]),
            ("portal membres", ["cway portal members"]),
            ("policy", ["cway portal policy"]), ("whoami", ["cway id"]), ("invites", ["cway invite"]),
            ("Friend list", ["cway friend"]), ("portal *:8008", ["cway portal --listen *:8008"]),
            ("portal 8008", ["cway portal --listen 8008"]),
            ("portals \(TestedHome.portal)", ["cway portals add"]),
            ("\(TestedHome.portal)", ["cway connect", "cway portals add"]),
            ("portal invites create", ["cway portal invite"]),
        ])
    func nearest(_ line: String, _ near: [String]) async {
        let run = await CommandRun(line.split(separator: " ").map(String.init))
        #expect(run.ended(.usage) && run.complaints.contains("there is no command 'cway "))
        let name = near.first.map { "'\($0)'" } ?? ""
        #expect(run.complaints.contains("did you mean") && run.complaints.contains(name), "\(run)")
        for name in near { #expect(run.complaints.contains("'\(name)'"), "\(run)") }
    }

    @Test("nothing is made up where nothing is near")
    func nothingNear() async {
        for line in [["xylophone"], ["friend", "xylophone"]] {
            let run = await CommandRun(line)
            #expect(run.complaints.contains("xylophone'\n") && !run.complaints.contains("did you mean"))
        }
    }

    @Test("every command that is recommended is there")
    func recommended() async {
        for meaning in OtherWords.meanings.values.flatMap(\.values).joined() where !meaning.hasPrefix("-") {
            let run = await CommandRun(["help"] + meaning.split(separator: " ").map(String.init))
            #expect(run.code == 0 && run.output.contains("USAGE: cway \(meaning)"), "\(meaning)")
        }
    }

    @Test("a secret in the wrong place is not shown")
    func secrets() async throws {
        let owner = TestedHome()
        #expect(await owner.run("portals", "add", TestedHome.portal).ended(.success))
        let code = try await owner.invite()
        for line in [[code], ["friend", code], ["id", code], ["invite", "create", "--label", "a", code]] {
            let run = await CommandRun(line + ["--home", owner.path])
            #expect(run.ended(.usage) && !run.complaints.contains(code.dropFirst(20).prefix(20)), "\(run)")
        }
        #expect(await CommandRun(code).complaints.contains("did you mean 'cway join'"))
    }

    @Test("help has commands before exit codes, and what is rarely needed behind the options")
    func order() async throws {
        let root = await CommandRun("--help").output
        let places = try ["EXAMPLES\n", "USAGE:", "OPTIONS:", "SUBCOMMANDS:", "EXIT CODES\n"].map {
            try #require(root.firstRange(of: $0), "\($0)").lowerBound
        }
        #expect(places == places.sorted())
        #expect(root.split(separator: "\n").allSatisfy { $0.count <= 80 })
        let examples = root[places[0]..<places[1]].split(separator: "\n").dropFirst()
        #expect(examples.allSatisfy { $0.hasPrefix("  cway ") }, "no line is broken: \(examples)")
        let join = await CommandRun("help", "join").output
        let parts = try ["OPTIONS:", "RARELY NEEDED:", "--network", "--trust-clock", "EXIT CODES\n"].map {
            try #require(join.firstRange(of: $0), "\($0)").lowerBound
        }
        #expect(parts == parts.sorted() && join.contains("--home <folder>"))
    }

    @Test(
        "the version is a semantic one, with the commit where that is known, the compiler, the libraries and the cipher"
    )
    func version() async throws {
        for line in [["--version"], ["serve", "--version"]] {
            let run = await CommandRun(line)
            #expect(run.code == 0 && run.complaints.isEmpty)
            let version =
                #/cway \d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?( \([0-9a-f]{12}\))?\nSwift \d+\.\d+(\.\d+)?, libsodium \d+\.\d+\.\d+, LMDB \d+\.\d+\.\d+, cipher [a-z0-9]+\n/#
            #expect(run.output.wholeMatch(of: version) != nil, "\(run.output)")
        }
    }
}
