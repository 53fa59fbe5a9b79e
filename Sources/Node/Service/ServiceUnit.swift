/// What of this program systemd keeps running, and the text of the units that say so.
///
/// The files of the package (`.ci/package.d/units`) are these texts; a test holds them to be the same.
package struct ServiceUnit: Equatable, Sendable {
    /// Which command runs.
    package enum Role: String, CaseIterable, Sendable {
        case portal, serve, connect
    }

    /// Whose manager runs it.
    package enum Scope: String, CaseIterable, Sendable {
        /// The machine's, under a user of its own.
        case system
        /// That of one user, as this user.
        case user
    }

    /// A file of a unit.
    package struct File: Equatable, Sendable {
        /// The first line of a file that this program may replace and remove, behind a `#`.
        static let mark = "Made by `cway service`."

        /// Its name, without a folder.
        package let name: String
        /// What stands in it.
        package let text: String

        /// Whether a text has been made by this program.
        static func isOurs(_ text: String) -> Bool { text.hasPrefix("# \(mark)\n") }
    }

    /// The program where a package has put it.
    package static let packagedProgram = "/usr/bin/cway"
    /// Who runs it under the machine's manager.
    package static let systemUser = "_companionway"
    /// The settings of the machine's portal; a package brings the file, and leaves it as its owner has it.
    package static let portalSettings = "companionway/portal.json"
    /// What makes that user: see sysusers.d(5).
    package static let systemUserText =
        "u \(systemUser) - \"Companionway portal\" /var/lib/companionway\n"

    /// The command.
    package let role: Role
    /// Whose it is.
    package let scope: Scope
    /// The path of the program.
    package let program: String
    /// The home folder, where it is another than the scope's own.
    package let home: String?

    /// A unit for a command.
    package init(_ role: Role, _ scope: Scope, program: String = packagedProgram, home: String? = nil) {
        (self.role, self.scope, self.program, self.home) = (role, scope, program, home)
    }

    // MARK: Names

    /// The unit as it is enabled and asked about; of the template for ports of friends, the one with that name.
    package func name(of instance: String?) -> String {
        instance.map { "cway-\(role.rawValue)@\($0).service" } ?? "cway-\(role.rawValue).service"
    }

    /// The unit of its socket, where it has one.
    package var socketName: String? { role == .portal ? "cway-portal.socket" : nil }

    /// The file of more words for the command line, in the folder of settings that `%E` means.
    package func argumentsFileName(of instance: String?) -> String {
        "companionway/\(role.rawValue)\(instance.map { "-\($0)" } ?? "").env"
    }

    /// The folder of the machine's manager where it keeps what the command remembers, below /var/lib.
    private var stateFolder: String { role == .portal ? "companionway" : "companionway-node" }

    /// Whether its settings stand in the machine's folder, and not in its home.
    package var hasSettingsOfMachine: Bool { role == .portal && scope == .system }

    /// The home folder, as the unit has it.
    private var homePlace: String {
        home ?? (scope == .system ? "/var/lib/\(stateFolder)" : "%h/.companionway")
    }

    /// A command line of systemctl for the unit's manager.
    package func control(_ words: [String]) -> [String] {
        ["systemctl"] + (scope == .user ? ["--user"] : []) + words
    }

    // MARK: Texts

    /// The files, the socket's first.
    ///
    /// - Parameter listen: what the socket listens on, in the words of ListenStream=.
    /// - Returns: one or two.
    package func files(listeningOn listen: [String] = ["8008"]) -> [File] {
        var files: [File] = []
        if let socketName { files.append(File(name: socketName, text: socketText(listen))) }
        let name = role == .connect ? "cway-connect@.service" : name(of: nil)
        files.append(File(name: name, text: serviceText))
        return files
    }

    private func socketText(_ listen: [String]) -> String {
        """
        # \(File.mark)
        [Unit]
        Description=Companionway portal, where it is reached
        Documentation=man:cway(1)

        [Socket]
        # Any port, also below 1024: the manager binds it, and keeps it while the program is replaced.
        \(listen.map { "ListenStream=\($0)" }.joined(separator: "\n"))
        BindIPv6Only=both
        Backlog=4096
        FileDescriptorName=portal

        [Install]
        WantedBy=sockets.target

        """
    }

    private var serviceText: String {
        let argument = role == .connect ? "-%i" : ""
        let sections = [
            ["# \(File.mark)", "[Unit]"] + unitLines,
            [
                "", "[Service]", "Type=notify",
                "EnvironmentFile=-%E/companionway/\(role.rawValue)\(argument).env",
                "Environment=CWAY_HOME=\(homePlace)",
            ] + (hasSettingsOfMachine ? ["Environment=CWAY_CONFIG=/etc/\(Self.portalSettings)"] : []) + [
                "ExecStart=\(program) \(role.rawValue) $ARGUMENTS"
            ] + runningLines,
            [""] + Self.sandbox,
            scope == .system ? systemSandbox : userSandbox,
            ["", "[Install]", "WantedBy=\(scope == .system ? "multi-user" : "default").target"],
            socketName.map { ["Also=\($0)"] } ?? [], [""],
        ]
        return sections.joined().joined(separator: "\n")
    }

    private var unitLines: [String] {
        let description =
            switch role {
            case .portal: "Companionway portal"
            case .serve: "Companionway node, which offers services to friends"
            case .connect: "Companionway port of a friend's service (%i)"
            }
        var lines = ["Description=\(description)", "Documentation=man:cway(1)"]
        if let socketName { lines += ["Requires=\(socketName)", "After=\(socketName)"] }
        if scope == .system { lines += ["Wants=network-online.target", "After=network-online.target"] }
        return lines
    }

    private var runningLines: [String] {
        var lines = ["Restart=on-failure", "RestartSec=1", "TimeoutStopSec=25", "WatchdogSec=30"]
        switch role {
        case .portal, .serve: lines.insert("ExecReload=/bin/kill -HUP $MAINPID", at: 0)
        // Nothing comes of another try: `cway --help` has the codes.
        case .connect: lines.append("RestartPreventExitStatus=2 3 13 14 19 20 21 64")
        }
        if scope == .system {
            lines += [
                "User=\(Self.systemUser)", "StateDirectory=\(stateFolder)", "StateDirectoryMode=0700",
            ]
        }
        return lines + [
            "# Connections are as many as descriptors without 64; MemoryMax is 3 x 256M + 256M + 512K for each.",
            "LimitNOFILE=2112", "MemoryMax=2G", "LimitCORE=0",
        ]
    }

    /// Nothing but its home, its sockets and the calls it makes.
    private static let sandbox = [
        "NoNewPrivileges=yes", "CapabilityBoundingSet=", "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged", "SystemCallErrorNumber=EPERM",
        // Netlink is for listing the machine's addresses.
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK", "RestrictNamespaces=yes",
        "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes", "MemoryDenyWriteExecute=yes",
        "ProtectSystem=strict", "PrivateTmp=yes", "PrivateDevices=yes", "PrivateUsers=yes",
        "PrivateMounts=yes",
        "ProtectProc=invisible", "ProcSubset=pid", "ProtectClock=yes", "ProtectHostname=yes",
        "ProtectKernelLogs=yes", "ProtectKernelModules=yes", "ProtectKernelTunables=yes", "UMask=0077",
    ]

    private var systemSandbox: [String] {
        let home = home.map { ["ReadWritePaths=\($0)"] } ?? []
        return ["ProtectHome=yes", "ProtectControlGroups=yes", "RemoveIPC=yes"] + home
    }

    /// A user's manager sets mount namespaces up inside PrivateUsers=; ProtectControlGroups= and RemoveIPC= it does not
    /// have.
    private var userSandbox: [String] { ["ProtectHome=read-only", "ReadWritePaths=-\(homePlace)"] }
}
