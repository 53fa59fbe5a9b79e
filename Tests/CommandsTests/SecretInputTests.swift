import Commands
import Node
import Testing

@Suite("Codes are asked for, or read, or taken as arguments")
struct SecretInputTests {
    private static let portal = "net:127.0.0.1:1~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="

    private let owner = TestedHome()
    private let friend = TestedHome()

    private func invite() async throws -> String {
        #expect(await owner.run("portals", "add", Self.portal).ended(.success))
        return try await owner.invite()
    }

    /// Found is a code that is dialled with: the portal is not there.
    @Test("join finds the code wherever it is")
    func join() async throws {
        let code = try await invite()
        let lines = ["Hello,", "", "> \"" + code.prefix(40), "> " + code.dropFirst(40) + "\"", "Anna"]
        for arguments in [["join", "-"], ["join"]] {
            let home = ["--home", friend.path]
            let read = await CommandRun(arguments + home, input: lines)
            #expect(read.ended(.portalUnreachable), "\(read)")
            let asked = await CommandRun(
                arguments + home, isInteractive: true, answer: lines.joined(separator: "\n"))
            #expect(asked.ended(.portalUnreachable), "\(asked)")
            let empty = await CommandRun(arguments + home)
            #expect(empty.ended(.usage), "\(empty)")
        }
        #expect(await friend.run("join", "'\(code)'").ended(.portalUnreachable))
    }

    @Test("portals add does too, and says what belongs elsewhere")
    func portals() async throws {
        for arguments in [["portals", "add"], ["portals", "add", "-"]] {
            let home = ["--home", friend.path]
            let read = await CommandRun(arguments + home, input: ["It is:", "\u{FEFF}\(Self.portal)", "bye"])
            #expect(read.ended(.success), "\(read)")
            let asked = await CommandRun(arguments + home, isInteractive: true, answer: "<\(Self.portal)>")
            #expect(asked.ended(.success), "\(asked)")
        }
        let other = await CommandRun(["portals", "add", "--home", friend.path], input: [try await invite()])
        #expect(other.ended(.usage) && other.complaints.contains("cway join"), "\(other)")
    }

    @Test("invite create says how its code is used, and not as an argument")
    func examples() async throws {
        _ = try await invite()
        let made = await owner.run("invite", "create")
        #expect(made.complaints.contains("`cway join`") && !made.complaints.contains("join CODE"))
    }

    @Test("JSON at a terminal has escapes, and is exact elsewhere")
    func json() async throws {
        _ = try await invite()
        _ = try await owner.invite("--label", "a\u{9B}31m\u{202E}b")
        let (piped, shown) = (
            await owner.run("invite", "list", "--json"),
            await CommandRun(["invite", "list", "--json", "--home", owner.path], isOutputTerminal: true)
        )
        #expect(piped.output.contains("\u{9B}31m\u{202E}"))
        #expect(shown.output.contains("a\\u009b31m\\u202eb") && !shown.output.contains("\u{9B}"))
        let labels = try [piped, shown].map { try $0.list.map { $0["label"] as? String } }
        #expect(labels[0] == labels[1])
    }

    @Test(
        "a log level that is none is refused in words, by every command",
        arguments: ["id", "serve", "friend list"])
    func level(_ command: String) async {
        let run = await CommandRun(
            command.split(separator: " ").map(String.init) + ["--home", owner.path],
            environment: ["CWAY_LOG_LEVEL": "loud"])
        #expect(run.ended(.settingsUnusable), "\(run)")
        #expect(run.complaints.contains("CWAY_LOG_LEVEL") && run.complaints.contains("trace, debug, info"))
    }
}
