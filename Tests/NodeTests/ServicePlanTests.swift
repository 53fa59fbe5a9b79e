import Foundation
import Node
import PeerSupport
import Testing

@Suite("Plans for units")
struct ServicePlanTests {
    private static func surroundings(
        _ files: [String: String] = [:], hasSystemUser: Bool = true
    ) -> ServicePlan.Surroundings {
        ServicePlan.Surroundings(
            unitFolder: "/units", packagedFolder: "/packaged", settingsFolder: "/settings",
            hasSystemUser: hasSystemUser
        ) { files[$0] }
    }

    @Test("write a portal's socket and service, then enable both")
    func portal() throws {
        let unit = ServiceUnit(.portal, .system)
        let plan = try ServicePlan.install(.init(unit), in: Self.surroundings())
        let files = unit.files()
        #expect(files.map(\.name) == ["cway-portal.socket", "cway-portal.service"])
        #expect(
            plan.steps == [
                .write(path: "/settings/companionway/portal.json", text: "{}\n"),
                .write(path: "/units/cway-portal.socket", text: files[0].text),
                .write(path: "/units/cway-portal.service", text: files[1].text),
                .run(["systemctl", "daemon-reload"]),
                .run(["systemctl", "enable", "--now", "cway-portal.socket", "cway-portal.service"]),
            ])
    }

    @Test("leave a package's files as they are, and put what differs beside them")
    func packaged() throws {
        let unit = ServiceUnit(.portal, .system)
        var packaged = Dictionary(
            uniqueKeysWithValues: unit.files().map { ("/packaged/\($0.name)", $0.text) })
        packaged["/settings/companionway/portal.json"] = "{}"
        var wish = ServicePlan.Wish(unit)
        wish.listen = ["443", "[::1]:8008"]
        wish.arguments = ["--public-host", "portal.example.org"]
        let plan = try ServicePlan.install(wish, in: Self.surroundings(packaged))
        guard plan.steps.count == 5, case .write(let socket, let listen) = plan.steps[0],
            case .write(let settings, let arguments) = plan.steps[1]
        else {
            Issue.record("\(plan.steps)")
            return
        }
        #expect(socket == "/units/cway-portal.socket.d/listen.conf")
        #expect(listen.contains("[Socket]\nListenStream=\nListenStream=443\nListenStream=[::1]:8008\n"))
        #expect(settings == "/settings/companionway/portal.env")
        #expect(arguments.hasSuffix("\nARGUMENTS=--public-host portal.example.org\n"))
        let names = ["cway-portal.socket", "cway-portal.service"]
        #expect(plan.steps[3] == .run(["systemctl", "enable"] + names))
        #expect(plan.steps[4] == .run(["systemctl", "restart"] + names))
    }

    @Test("make the user who runs the machine's units")
    func systemUser() throws {
        let plan = try ServicePlan.install(
            .init(ServiceUnit(.serve, .system)), in: Self.surroundings(hasSystemUser: false))
        let path = "/etc/sysusers.d/companionway.conf"
        #expect(plan.steps[0] == .write(path: path, text: ServiceUnit.systemUserText))
        #expect(plan.steps[1] == .run(["systemd-sysusers", path]))
        let own = try ServicePlan.install(
            .init(ServiceUnit(.serve, .user)), in: Self.surroundings(hasSystemUser: false))
        #expect(own.steps.last == .run(["systemctl", "--user", "enable", "--now", "cway-serve.service"]))
    }

    @Test(
        "take no word that systemd would read as another",
        arguments: ["a b", "$HOME", "%h", "\"", "a\\b", "", "ü"])
    func badWords(_ word: String) {
        var wish = ServicePlan.Wish(ServiceUnit(.connect, .user), instance: "web")
        wish.arguments = ["home", word]
        #expect(throws: ServicePlan.Refusal.badWord(word)) {
            try ServicePlan.install(wish, in: Self.surroundings())
        }
    }

    @Test("replace and remove what this program has made, and nothing of others")
    func foreign() throws {
        let wish = ServicePlan.Wish(ServiceUnit(.serve, .user))
        let foreign = Self.surroundings(["/units/cway-serve.service": "[Unit]\n"])
        #expect(throws: ServicePlan.Refusal.foreign(path: "/units/cway-serve.service")) {
            try ServicePlan.install(wish, in: foreign)
        }
        #expect(ServicePlan.remove(wish, in: foreign).steps.count == 2)
        let own = Self.surroundings(["/units/cway-serve.service": wish.unit.files()[0].text])
        #expect(ServicePlan.remove(wish, in: own).steps[1] == .remove(path: "/units/cway-serve.service"))
        // The template of friends' ports stays: others may be enabled.
        let port = ServicePlan.Wish(ServiceUnit(.connect, .user), instance: "web")
        let template = Self.surroundings(["/units/cway-connect@.service": port.unit.files()[0].text])
        #expect(ServicePlan.remove(port, in: template).steps.count == 2)
    }

    @Test("are taken step by step up to the first that fails, and leave nothing when they are undone")
    func taken() throws {
        let folder = try TemporaryFolder()
        let ran = Watched<[[String]]>([])
        let machine = try ServiceMachine(
            .user, environment: ["XDG_CONFIG_HOME": folder.path + "/config"], isBooted: true,
            root: folder.path
        ) { words throws(ProgramRun.Failure) in
            ran.update { $0.append(words) }
            return try ProgramRun(words.contains("enable") ? ["false"] : ["true"])
        }
        var wish = ServicePlan.Wish(ServiceUnit(.connect, .user), instance: "web")
        wish.arguments = ["home", "web", "--listen", "8080"]
        let plan = try ServicePlan.install(wish, in: machine.surroundings)
        let error = #expect(throws: ServiceMachine.Failure.self) { try machine.take(plan) }
        #expect(
            error?.description.contains("cway-connect@web.service` ended with 1") == true, "\(error as Any)")
        #expect(ran.value.map { $0[2] } == ["daemon-reload", "enable"])
        let unit = folder.path + "/config/systemd/user/cway-connect@.service"
        #expect(try String(contentsOfFile: unit, encoding: .utf8) == wish.unit.files()[0].text)
        let settings = folder.path + "/config/companionway/connect-web.env"
        #expect(try String(contentsOfFile: settings, encoding: .utf8).hasSuffix("--listen 8080\n"))
        // Once more, over its own files.
        #expect(try ServicePlan.install(wish, in: machine.surroundings) == plan)
        try machine.take(ServicePlan.remove(wish, in: machine.surroundings))
        #expect(!FileManager.default.fileExists(atPath: settings))
    }

    @Test("are followed by what the manager says of the unit")
    func report() throws {
        let unit = ServiceUnit(.serve, .user)
        let machine = try ServiceMachine(.user, environment: ["HOME": "/home/anna"], isBooted: true) {
            words throws(ProgramRun.Failure) in
            let text = [
                "FragmentPath=/units/cway-serve.service", "UnitFileState=enabled", "ActiveState=active",
                "StatusText=serves = well", "ActiveEnterTimestamp=", "MainPID=77",
            ]
            return try ProgramRun(["printf", "%s\n"] + (words.contains("show") ? text : []))
        }
        let report = try machine.report(of: unit, named: "cway-serve.service")
        #expect(report.path == "/units/cway-serve.service" && report.enablement == "enabled")
        #expect(report.activity == "active" && report.words == "serves = well" && report.processID == 77)
        #expect(machine.surroundings.unitFolder == "/home/anna/.config/systemd/user")
    }
}
