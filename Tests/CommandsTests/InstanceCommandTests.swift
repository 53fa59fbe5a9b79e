import Commands
import Multiserver
import Node
import Testing
import TypedSodium

@Suite("Commands and instances")
struct InstanceCommandTests {
    private static let id = "@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519"

    private let home = TestedHome()

    @Test(
        "cway serve refuses a section that makes no sense, and names it",
        arguments: [
            (["--instance"], "instead of ''"),
            (["--instance", "0", "--service", "a=localhost:1"], "instead of '0'"),
            (["--instance", "x"], "instead of 'x'"), (["--instance", "-1"], "instead of '-1'"),
            (["--instance", "--service", "a=localhost:1"], "instead of '--service'"),
            (["--instance", "1", "--service", "a=localhost:1", "--instance"], "instead of ''"),
            (["--instance", "1"], "--instance 1 offers nothing"),
            (["--instance", "1", "--allow", id], "--instance 1 offers nothing"),
            (
                [
                    "--instance", "1", "--service", "a=localhost:1", "--instance=1", "--service",
                    "b=localhost:1",
                ], "two"
            ),
            (["--instance", "3", "--service", "a=localhost"], "--instance 3: The value 'a=localhost'"),
            (
                ["--instance", "3", "--service", "a=localhost:1", "--visible"],
                "--instance 3: Unknown option '--visible'"
            ),
            (
                ["--instance", "3", "--service", "a=localhost:1", "web"],
                "--instance 3: Unexpected argument 'web'"
            ),
            (["--instance=2", "--service", "a=localhost:1", "--service", "a=localhost:2"], "same name, 2/a"),
            (["--instance", "2", "--service", "a=localhost:1"], "nobody may connect to instance 2"),
        ])
    func sections(flags: [String], words: String) async {
        let run = await CommandRun(
            ["serve", "--home", home.path, "--portal", TestedHome.portal, "--allow", Self.id] + flags)
        #expect(run.ended(.usage) && run.output.isEmpty, "\(run)")
        #expect(run.complaints.contains(words), "\(run)")
    }

    @Test("cway serve does not let instance 1 be anyone's from hiding")
    func hidden() async throws {
        _ = await home.run("portals", "add", TestedHome.portal)
        _ = try await home.invite()
        for flags in [["--allow-anyone"], ["--allow", Self.id]] {
            let arguments = ["serve", "--home", home.path, "--instance", "1", "--service", "a=localhost:1"]
            let run = await CommandRun(arguments + flags)
            #expect(run.ended(.usage) && run.complaints.contains("--visible"), "\(run)")
        }
        let help = await home.run("serve", "--instance", "1", "--help")
        #expect(help.ended(.success) && help.output.contains("--instance <n>"))
    }

    @Test("cway address names the instance where the target is shown, and seals none")
    func address() async throws {
        _ = await home.run("portals", "add", TestedHome.portal, "--open")
        for form in ["circle1", "hmac1", "plain"] {
            let run = await home.run("address", "--form", form, "--instance", "12")
            let line = try #require(run.lines.first, "\(run)")
            #expect(line.contains(":\(await home.id()):12~shs:"))
            let resolved = await home.run("resolve", line, "--json")
            #expect(try resolved.object["instance"] as? Int == 12, "\(resolved)")
        }
        let sealed = await home.run("address", "--instance", "1")
        #expect(sealed.ended(.usage) && sealed.output.isEmpty)
        #expect(sealed.complaints.contains("cway connect ADDRESS 1/NAME"))
        #expect(await home.run("address", "--instance", "0").ended(.success))
        #expect(await home.run("address", "--form", "hmac1", "--instance", "x").ended(.usage))
    }

    @Test("cway friend and invite name services of other instances, for people and for programs")
    func rights() async throws {
        let id = try Identity.random().publicKey.id
        func allow(_ options: String...) async -> CommandRun {
            await CommandRun(["friend", "allow", id, "--home", home.path] + options)
        }
        #expect(
            await allow("--service", "1/ssh", "--service", "web").output.hasSuffix("may open: 1/ssh, web\n"))
        #expect(await allow("--all", "--service", "1/ssh").output.hasSuffix("may open: all, 1/ssh\n"))
        let admission =
            try await home.run("friend", "list", "--json").list.first?["admission"] as? [String: Any]
        #expect(admission?["services"] as? [String] == ["*", "1/ssh"])
        #expect(await allow("--service", "2/*", "--service", "2/a").output.hasSuffix("may open: 2/*\n"))
        for name in ["x/ssh", "1/Web", "1/", "/ssh", "1/2/ssh"] {
            #expect(await allow("--service", name).ended(.usage), "\(name)")
        }
        _ = await home.run("portals", "add", TestedHome.portal)
        let invite = await home.run("invite", "create", "--service", "1/ssh", "--json")
        #expect(try invite.object["services"] as? [String] == ["1/ssh"], "\(invite)")
        #expect(await home.run("invite", "list").output.contains("1/ssh"))
    }

    @Test("cway connect writes the instance into ssh's configuration")
    func ssh() async throws {
        let target = Self.id
        let key = try PublicKey(id: target)
        let portal = try PublicKey(id: "@" + String(repeating: "A", count: 43) + "=.ed25519")
        let address = "net:localhost:8008~shs:\(portal.base64)"
        for (instance, service, isRight) in [
            (0, "2/ssh", true), (2, "ssh", true), (2, "2/ssh", true), (1, "2/ssh", false),
        ] {
            let tunnel = "\(try TunnelAddress(portal: portal, target: key, instance: instance))"
            let run = await home.run("connect", tunnel, service, "--ssh-config", "--portal", address)
            #expect(run.ended(isRight ? .success : .usage), "\(run)")
            #expect(run.output.contains(":2~shs:") == isRight, "\(run)")
        }
        let bad = await home.run("connect", "home", "x/ssh", "--ssh-config")
        #expect(bad.ended(.usage) && bad.complaints.contains("instance"))
    }
}
