internal import ArgumentParser
internal import MuxRPC
internal import Node

/// `cway service`: has systemd keep it running.
struct ServiceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service",
        abstract:
            "Have systemd run the portal, the node, or a port of a friend, from the start of the machine.",
        discussion: """
            Units are the machine's (--system, for root) or yours (--user). A portal's port is bound by systemd, which \
            keeps it while the program is replaced. Where systemd does not run, nothing is done, and printed what would be.

            EXAMPLES
              sudo cway service install portal --listen 443 -- --public-host portal.example.org
              cway service install serve -- --service ssh=22
              cway service install connect web -- home web --listen 8080
              cway service status serve
              cway service remove connect web
            """,
        subcommands: [ServiceInstallCommand.self, ServiceRemoveCommand.self, ServiceStatusCommand.self])
}

/// `cway service remove`.
struct ServiceRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Stop a unit, and remove what was installed of it; identity and settings stay.",
        discussion: """
            Files of a package stay too. JSON is that of `cway service install`.

            EXAMPLES
              cway service remove serve
              cway service remove connect web
            """)

    @OptionGroup private var options: ServiceOptions

    @Flag(name: .long, help: "Print what would be done, and do nothing.")
    private var dryRun = false

    func run() async throws {
        let machine = try options.machine()
        let wish = ServicePlan.Wish(options.unit, instance: options.name)
        let plan = ServicePlan.remove(wish, in: machine.surroundings)
        try options.carryOut(plan, on: machine, dryRun: dryRun)
    }
}

/// `cway service status`.
struct ServiceStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say whether a unit runs, and whether it starts by itself.",
        discussion: """
            Ends with 0 where it runs. JSON is {"unit", "file", "enabled", "active", "since", "pid", "words", "lingers"}. \
            What the program itself knows says `cway status`.

            EXAMPLES
              cway service status portal --system
              cway service status connect web --json
            """)

    @OptionGroup private var options: ServiceOptions

    func run() async throws {
        let machine = try options.machine()
        let unit = options.unit
        guard machine.isBooted else {
            throw CommandFailure(.serviceFailed, "systemd does not run here, so no unit does")
        }
        let report: ServiceMachine.Report
        do throws(ServiceMachine.Failure) {
            report = try machine.report(of: unit, named: unit.name(of: options.name))
        } catch {
            throw CommandFailure(.serviceFailed, error)
        }
        try CommandEnvironment.current.print(
            options.json ? report.json(lingers: machine.lingers).description : report.facts(machine.lingers),
            isJSON: options.json)
        guard report.activity == "active" || report.activity == "reloading" else {
            throw CommandFailure(
                .serviceFailed,
                report.path == nil
                    ? "\(report.name) is not installed: run `cway service install \(options.role.rawValue)`"
                    : "\(report.name) does not run: `journalctl \(options.scope == .user ? "--user " : "")-u "
                        + "\(report.name)` has its log")
        }
    }
}

extension ServiceMachine.Report {
    fileprivate func facts(_ lingers: Bool?) -> String {
        var lines = [
            "unit      \(name)", "file      \(path ?? "none")",
            "enabled   \(enablement.isEmpty ? "no" : enablement)",
            "active    \(activity)\(since.isEmpty ? "" : " since \(since)")",
        ]
        if processID > 0 { lines.append("process   \(processID)") }
        if !words.isEmpty { lines.append("says      \(words)") }
        if let lingers {
            lines.append("lingers   \(lingers ? "yes" : "no: it runs while you are logged in")")
        }
        return lines.joined(separator: "\n")
    }

    fileprivate func json(lingers: Bool?) -> JSONValue {
        [
            "unit": .string(name), "file": path.map { .string($0) } ?? .null, "enabled": .string(enablement),
            "active": .string(activity), "since": .string(since),
            "pid": processID > 0 ? .integer(Int64(processID)) : .null, "words": .string(words),
            "lingers": lingers.map { .bool($0) } ?? .null,
        ]
    }
}
