internal import ArgumentParser
internal import Glibc
internal import MuxRPC
internal import Node

/// Which unit, and whose.
struct ServiceOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "What runs: \(ServiceUnit.Role.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "role"),
        transform: { text in
            guard let role = ServiceUnit.Role(rawValue: text) else {
                throw ValidationError(
                    "Write one of \(ServiceUnit.Role.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            return role
        })
    var role: ServiceUnit.Role

    @Argument(
        help: ArgumentHelp("With connect: what the port is called, for example web.", valueName: "name"))
    var name: String?

    @Flag(name: .long, help: "Under the machine's manager; the default of root.")
    var system = false

    @Flag(name: .long, help: "Under your own manager; the default of everybody else.")
    var user = false

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The folder with the identity and the settings.",
            discussion: "Default: ~/.companionway, and below /var/lib under the machine's manager.",
            valueName: "folder"))
    var home: String?

    func validate() throws {
        guard !(system && user) else { throw ValidationError("Give one of --system and --user.") }
        guard (name != nil) == (role == .connect) else {
            throw ValidationError(
                role == .connect
                    ? "A port of a friend has a name: write it behind connect, for example web."
                    : "Of \(role.rawValue) there is one: leave '\(name ?? "")' out.")
        }
        let isName = name?.utf8.allSatisfy { byte in
            Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber
                || byte == 0x5F
        }
        guard isName ?? true, name?.isEmpty != true, name?.utf8.count ?? 0 <= 64 else {
            throw ValidationError("A name is 1 to 64 of letters, digits and underscores.")
        }
        if let home, !home.hasPrefix("/") || home.contains(where: { " \"'\\$%:".contains($0) }) {
            throw ValidationError("Write the folder's whole path, without spaces, quotes, $, %, : and \\.")
        }
    }

    /// Whose manager it is about.
    var scope: ServiceUnit.Scope { system || (!user && geteuid() == 0) ? .system : .user }

    /// The unit, with the program that runs now.
    var unit: ServiceUnit {
        ServiceUnit(role, scope, program: OwnProgram.path ?? ServiceUnit.packagedProgram, home: home)
    }

    /// Refuses what the unit would not see from its sandbox.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/usage``.
    func requireSight() throws(CommandFailure) {
        let hidden =
            scope == .system
            ? ["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"] : ["/tmp/", "/var/tmp/"]
        func isHidden(_ path: String) -> Bool { hidden.contains { path.hasPrefix($0) } }
        guard !isHidden(unit.program) else {
            throw CommandFailure(
                .usage,
                "the unit would not see \(unit.program), where it is: copy it to /usr/local/bin, and run this from there"
            )
        }
        guard !(home.map(isHidden) ?? false) else {
            throw CommandFailure(
                .usage, "the unit would not see \(home ?? ""): choose another folder, or leave --home out")
        }
    }

    /// The manager.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/serviceFailed``.
    func machine() throws(CommandFailure) -> ServiceMachine {
        do throws(ServiceMachine.Failure) {
            return try ServiceMachine(scope, environment: CommandEnvironment.current.environment)
        } catch {
            throw CommandFailure(.serviceFailed, error)
        }
    }

    /// Takes the steps of a plan, or prints them where that is wanted or nothing could take them.
    func carryOut(_ plan: ServicePlan, on machine: ServiceMachine, dryRun: Bool) throws {
        let environment = CommandEnvironment.current
        let isTaken = !dryRun && machine.isBooted
        if isTaken {
            do throws(ServiceMachine.Failure) {
                try machine.take(plan)
            } catch {
                throw CommandFailure(.serviceFailed, error)
            }
        }
        if json {
            let object: JSONValue = [
                "done": .bool(isTaken), "scope": .string(scope.rawValue),
                "lingers": machine.lingers.map { .bool($0) } ?? .null,
                "steps": .array(plan.steps.map(\.json)),
            ]
            try environment.print(json: object.description)
        } else if isTaken {
            for step in plan.steps { try environment.print(step.title) }
        } else {
            for step in plan.steps { try environment.print(step.wholeText) }
        }
        guard isTaken || dryRun else {
            throw CommandFailure(
                .serviceFailed,
                "systemd does not run here, so nothing was done: what would be is printed above")
        }
    }
}

extension ServicePlan.Step {
    /// In one line.
    fileprivate var title: String {
        switch self {
        case .write(let path, _): "write \(path)"
        case .remove(let path): "remove \(path)"
        case .run(let words): "run \(words.joined(separator: " "))"
        }
    }

    /// With all that is written.
    fileprivate var wholeText: String {
        guard case .write(_, let text) = self else { return title }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        return title + ":\n" + lines.map { $0.isEmpty ? "" : "    \($0)" }.joined(separator: "\n")
    }

    fileprivate var json: JSONValue {
        switch self {
        case .write(let path, let text): ["write": .string(path), "text": .string(text)]
        case .remove(let path): ["remove": .string(path)]
        case .run(let words): ["run": .array(words.map { .string($0) })]
        }
    }
}
