internal import Foundation

/// Where the time of a portal goes while one flow passes, and how often it calls the system, by perf(1).
struct PortalProfile {
    /// Whose code a sample was in.
    enum Owner: String, CaseIterable {
        case cipher = "cipher kernel"
        case libsodium
        case system
        case swiftRuntime = "Swift runtime"
        case nio = "SwiftNIO"
        case ours = "our code"
        case libc
        case others

        /// Who has a symbol of a file; Swift's names are mangled, and begin with the module's length and name.
        init(of symbol: String, in file: String, ofProgram program: String) {
            switch file {
            case _ where file.hasPrefix("[kernel") || file.hasPrefix("[vdso") || file.hasPrefix("[guest"):
                self = .system
            case _ where file.hasPrefix("libsodium"): self = .libsodium
            case _ where file.hasPrefix("libswift") || file.hasPrefix("libdispatch"): self = .swiftRuntime
            case _ where file.hasPrefix("libc.") || file.hasPrefix("libc-") || file.hasPrefix("ld-linux"):
                self = .libc
            case _ where file != program: self = .others
            case _ where Self.cipherNames.contains(where: symbol.hasPrefix): self = .cipher
            case _ where symbol.hasPrefix("$s7NIOCore") || symbol.hasPrefix("$s8NIOPosix"): self = .nio
            case _ where symbol.hasPrefix("swift_") || symbol.contains("5swift"): self = .swiftRuntime
            default: self = .ours
            }
        }

        /// How the functions of `CBoxCipher` begin.
        private static let cipherNames = [
            "avx512_", "avx512f_", "avx2_", "sse2_", "neon_", "ifma_", "poly_", "lanes_", "salsa20_",
        ]
    }

    /// What a call of the system is counted as, and perf's names for it.
    private static let callKinds: [(name: String, events: [String])] = [
        ("reads", ["read", "readv", "recvfrom", "recvmsg"]),
        ("writes", ["write", "writev", "sendto", "sendmsg"]),
        ("waits", ["epoll_wait", "epoll_pwait", "epoll_pwait2"]),
    ]
    private static let allCalls = "raw_syscalls:sys_enter"

    let stage: Stage
    /// How long each of the two looks takes.
    var time = Duration.seconds(2)

    /// Two rows at least of one flow from the client to the endpoint; throws where perf cannot be used.
    func rows(of way: Way) async throws -> [Row] {
        guard let perf = Stage.program("perf") else {
            throw Stage.Failure(description: "perf is not installed")
        }
        guard let portal = way.roles.first(where: { $0.name == "portal" })?.children.first else { return [] }
        let folder = try stage.makeFolder("perf")
        let transfer = try Transfer(along: way, flowCount: 1, .up)
        defer { transfer.cut() }
        try await Task.sleep(for: .milliseconds(300))
        let group = "portal, 1 flow up, by perf"
        return [
            try await calls(perf, of: portal, transfer, in: folder, group)
        ] + (try await shares(perf, of: portal, in: folder, group))
    }

    /// How often the system was called.
    private func calls(
        _ perf: String, of portal: Child, _ transfer: Transfer, in folder: String, _ group: String
    ) async throws -> Row {
        let path = "\(folder)/calls"
        let events = [Self.allCalls] + Self.callKinds.flatMap(\.events).map { "syscalls:sys_enter_\($0)" }
        let before = transfer.receivedByteCount
        try await stage.run(
            perf,
            ["stat", "-x", ";", "-o", path, "-e", events.joined(separator: ","), "-p", "\(portal.id)"]
                + ["--", "sleep", "\(time.inSeconds)"])
        let megabytes = Double(transfer.receivedByteCount - before) / 1e6
        var counts: [String: Double] = [:]
        for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
            let fields = line.split(separator: ";", omittingEmptySubsequences: false)
            guard fields.count > 2, let count = Double(fields[0]) else { continue }
            counts[String(fields[2]), default: 0] += count
        }
        guard let all = counts[Self.allCalls] else {
            throw Stage.Failure(description: "perf may not count calls of the system here")
        }
        let kinds = Self.callKinds.map { kind in
            let count = kind.events.reduce(0) { $0 + (counts["syscalls:sys_enter_\($1)"] ?? 0) }
            return Figure(kind.name, "per MB", count / megabytes)
        }
        return Row(
            name: "system calls", figures: [Figure("all", "per MB", all / megabytes)] + kinds, group: group)
    }

    /// Whose code the time is spent in.
    private func shares(
        _ perf: String, of portal: Child, in folder: String, _ group: String
    ) async throws -> [Row] {
        let (samples, report) = ("\(folder)/samples", "\(folder)/report")
        try await stage.run(
            perf,
            ["record", "-q", "-F", "1999", "-o", samples, "-p", "\(portal.id)"]
                + ["--", "sleep", "\(time.inSeconds)"])
        try await stage.run(
            "/bin/sh",
            [
                "-c",
                #""$0" report -i "$1" --stdio --no-demangle -F sample,dso,sym -t ';' >"$2" 2>/dev/null"#,
                perf, samples, report,
            ])
        let program = URL(fileURLWithPath: try stage.cway()).lastPathComponent
        var counts: [Owner: Double] = [:]
        for line in try String(contentsOfFile: report, encoding: .utf8).split(separator: "\n") {
            let fields = line.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
            guard fields.count == 3, let count = Double(fields[0]) else { continue }
            let symbol = fields[2].drop { $0 != "]" }.dropFirst(2)
            let owner = Owner(of: String(symbol), in: fields[1], ofProgram: program)
            counts[owner, default: 0] += count
        }
        let all = counts.values.reduce(0, +)
        guard all > 0 else { throw Stage.Failure(description: "perf may not look at processes here") }
        return Owner.allCases.compactMap { owner in
            counts[owner].map {
                Row(name: owner.rawValue, figures: [Figure("share", "%", 100 * $0 / all)], group: group)
            }
        }
    }
}
