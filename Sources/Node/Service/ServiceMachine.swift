internal import Glibc
internal import LMDB

/// The manager of units on this machine, the machine's or a user's: what it has, and steps that are taken there.
///
/// Safety: paths and names are lent to C for the length of a call.
package struct ServiceMachine: Sendable {
    /// Why a step was not taken.
    package enum Failure: Error, CustomStringConvertible {
        /// Nothing says where this user's files are.
        case noHome
        /// The system refused a call about a file.
        case file(path: String, call: String, code: Int32)
        /// A program could not be started.
        case notStarted(ProgramRun.Failure)
        /// A program ended with a code of its own.
        case failed(words: [String], code: Int32, output: String)

        /// The end of what a program said, which says what was wrong.
        private static func ending(of output: String) -> String {
            let lines = output.split(separator: "\n").suffix(2)
            return lines.isEmpty ? "nothing was said" : lines.joined(separator: " ")
        }

        /// The cause, and what to do about it, in a sentence for people.
        package var description: String {
            switch self {
            case .noHome: "nothing says where your home folder is: set HOME"
            case .file(let path, let call, EACCES), .file(let path, let call, EPERM):
                "\(path) cannot be changed (\(call)): run this as root, or give --user"
            case .file(let path, let call, let code):
                "\(path) cannot be changed (\(call): \(systemReason(code))): see that it can be"
            case .notStarted(let failure): "\(failure): is systemd installed?"
            case .failed(let words, let code, let output):
                "`\(words.joined(separator: " "))` ended with \(code): \(Self.ending(of: output).printableLine)"
                    + (output.contains("bus") && words.contains("--user")
                        ? ": log in as this user (ssh, or `machinectl shell`), which su and sudo do not" : "")
            }
        }
    }

    /// What a manager says of a unit.
    package struct Report: Equatable, Sendable {
        /// The unit.
        package var name: String
        /// The file that it comes from; `nil` where there is none.
        package var path: String?
        /// Whether it starts by itself, in the manager's word.
        package var enablement = ""
        /// Whether it runs, in the manager's word: active, activating, failed, inactive.
        package var activity = ""
        /// What it said of itself last.
        package var words = ""
        /// Since when, in the manager's words.
        package var since = ""
        /// Its process; 0 for none.
        package var processID = 0
    }

    private static let bootMark = "/run/systemd/system"
    private static let lingerFolder = "/var/lib/systemd/linger"
    /// The longest file that is looked at, in bytes.
    private static let byteCountLimit = 64 << 10

    /// Whose manager.
    package let scope: ServiceUnit.Scope
    /// What plans depend on.
    package let surroundings: ServicePlan.Surroundings
    /// Whether a manager runs that could take steps.
    package let isBooted: Bool
    private let runProgram: @Sendable ([String]) throws(ProgramRun.Failure) -> ProgramRun

    /// The manager of this machine; tests put another place and another way to run programs in.
    package init(
        _ scope: ServiceUnit.Scope, environment: [String: String], isBooted: Bool? = nil,
        root: String = "",
        runProgram: @escaping @Sendable ([String]) throws(ProgramRun.Failure) -> ProgramRun = {
            words throws(ProgramRun.Failure) in try ProgramRun(words)
        }
    ) throws(Failure) {
        self.scope = scope
        self.runProgram = runProgram
        self.isBooted = isBooted ?? Self.isThere(Self.bootMark)
        let settings: String
        switch scope {
        case .system: settings = "\(root)/etc"
        case .user:
            let own = environment["HOME"].flatMap { $0.isEmpty ? nil : $0 }
            guard let folder = environment["XDG_CONFIG_HOME"] ?? own.map({ "\($0)/.config" }) else {
                throw .noHome
            }
            settings = folder
        }
        surroundings = ServicePlan.Surroundings(
            unitFolder: "\(settings)/systemd/\(scope.rawValue)",
            packagedFolder: "\(root)/usr/lib/systemd/\(scope.rawValue)", settingsFolder: settings,
            hasSystemUser: unsafe getpwnam(ServiceUnit.systemUser) != nil, contents: Self.contents)
    }

    /// Whether what a user's manager runs stays when the user logs out; `nil` for the machine's, where all stays.
    package var lingers: Bool? {
        scope == .system ? nil : userName.map { Self.isThere("\(Self.lingerFolder)/\($0)") } ?? false
    }

    /// What this user is called; `nil` where nobody knows.
    package var userName: String? {
        guard let entry = unsafe getpwuid(getuid()), let name = unsafe entry.pointee.pw_name else {
            return nil
        }
        return unsafe String(cString: name)
    }

    // MARK: Steps

    /// Takes the steps of a plan in their order, up to the first that fails.
    package func take(_ plan: ServicePlan) throws(Failure) {
        for step in plan.steps {
            switch step {
            case .write(let path, let text): try Self.write(text, to: path)
            case .remove(let path):
                guard unsafe unlink(path.systemName) == 0 || errno == ENOENT else {
                    throw .file(path: path, call: "unlink", code: errno)
                }
            case .run(let words): _ = try run(words)
            }
        }
    }

    /// What the manager says of a unit of that name.
    package func report(of unit: ServiceUnit, named name: String) throws(Failure) -> Report {
        let properties = "FragmentPath,UnitFileState,ActiveState,StatusText,ActiveEnterTimestamp,MainPID"
        let text = try run(unit.control(["show", "--property=\(properties)", name]))
        var report = Report(name: name)
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            guard parts.count == 2, !parts[1].isEmpty else { continue }
            switch parts[0] {
            case "FragmentPath": report.path = parts[1]
            case "UnitFileState": report.enablement = parts[1]
            case "ActiveState": report.activity = parts[1]
            case "StatusText": report.words = parts[1]
            case "ActiveEnterTimestamp": report.since = parts[1]
            case "MainPID": report.processID = Int(parts[1]) ?? 0
            default: continue
            }
        }
        return report
    }

    private func run(_ words: [String]) throws(Failure) -> String {
        let result: ProgramRun
        do throws(ProgramRun.Failure) {
            result = try runProgram(words)
        } catch {
            throw .notStarted(error)
        }
        guard result.code == 0 else { throw .failed(words: words, code: result.code, output: result.output) }
        return result.output
    }

    // MARK: Files

    private static func isThere(_ path: String) -> Bool { unsafe access(path.systemName, F_OK) == 0 }

    @Sendable private static func contents(_ path: String) -> String? {
        guard let file = try? PrivateFile.Descriptor(opening: path, O_RDONLY | O_NONBLOCK),
            let bytes = try? file.read(limit: byteCountLimit)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Writes a file that everybody may read, all at once, with the folders that it needs.
    private static func write(_ text: String, to path: String) throws(Failure) {
        var place = path.startIndex
        while let slash = path.utf8[path.utf8.index(after: place)...].firstIndex(of: UInt8(ascii: "/")) {
            place = slash
            let folder = String(path[..<slash])
            guard unsafe mkdir(folder.systemName, 0o755) != 0, errno != EEXIST else { continue }
            throw .file(path: folder, call: "mkdir", code: errno)
        }
        let draft = path + ".draft"
        do throws(PrivateFile.Failure) {
            let file = try PrivateFile.Descriptor(
                opening: draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, permissions: 0o644)
            try file.write(Array(text.utf8))
            try file.synchronize()
        } catch {
            throw .file(path: path, call: error.call, code: error.code)
        }
        guard unsafe rename(draft.systemName, path.systemName) == 0 else {
            throw .file(path: path, call: "rename", code: errno)
        }
    }
}
