import Foundation
import Glibc
import NIOCore
import PeerSupport
import Testing

extension Integration {
    @Suite("OpenSSH through the tunnel")
    struct SSHTests {
        @Test("logs in and copies a file, with connect --stdio as its ProxyCommand")
        func proxyCommand() async throws {
            try await Stage.run { stage in
                let server = try await SSHServer.start(on: stage)
                let network = try await TestNetwork.start(on: stage, services: ["ssh": server.port])
                let command = "cway connect \(network.target) ssh --stdio --portal \(network.portal.address)"
                let options = ["-F", "none", "-o", "ProxyCommand=\(command)"] + server.options()

                let login = try server.client("ssh", options + ["home", "echo here; exit 7"])
                #expect(try await login.end() == .exit(7), "\(login.log)")
                #expect(login.outputText == "here\n")
                // ssh ends its ProxyCommand with SIGHUP, which is no end in the middle.
                let closed = try await network.endpoint.logLine(with: "service closed")
                #expect(closed.contains("end=complete"), "\(closed)")
                try await Self.copy(Pattern.mebibytes(16, seed: 22), with: options, to: "home", server)
            }
        }

        @Test("takes what --ssh-config prints for its configuration")
        func configuration() async throws {
            try await Stage.run { stage in
                let server = try await SSHServer.start(on: stage)
                let network = try await TestNetwork.start(on: stage, services: ["ssh": server.port])
                let lines = try stage.cway(
                    home: "caller",
                    [
                        "connect", network.target, "ssh", "--ssh-config", "--portal", network.portal.address,
                        "--home", stage.path("caller"),
                    ])
                #expect(try await lines.end() == .exit(0))
                try Data(lines.outputText.utf8).write(to: URL(fileURLWithPath: stage.path("config")))
                let host = try #require(
                    lines.outputText.split(separator: "\n").first?.split(separator: " ").last)

                let first = try server.client(
                    "ssh", ["-F", stage.path("config")] + server.options() + [String(host), "echo here"])
                #expect(try await first.end() == .exit(0), "\(first.log)")
                #expect(first.outputText == "here\n")
                // The second time the host's key is known by the name that the lines give it.
                let options = ["-F", stage.path("config")] + server.options(acceptsHost: false)
                let second = try server.client("ssh", options + [String(host), "echo again"])
                #expect(try await second.end() == .exit(0), "\(second.log)")
                #expect(second.outputText == "again\n")
                try await Self.copy(Pattern.mebibytes(1, seed: 23), with: options, to: String(host), server)
            }
        }

        /// There with scp, and back with scp.
        private static func copy(
            _ pattern: Pattern, with options: [String], to host: String, _ server: SSHServer
        ) async throws {
            let stage = server.stage
            try pattern.write(to: stage.path("original"))
            for (from, to) in [
                (stage.path("original"), "\(host):\(stage.path("remote"))"),
                ("\(host):\(stage.path("remote"))", stage.path("returned")),
            ] {
                let scp = try server.client("scp", options + [from, to])
                #expect(try await scp.end(within: .seconds(60)) == .exit(0), "\(scp.log)")
            }
            #expect(
                FileManager.default.contentsEqual(
                    atPath: stage.path("returned"), andPath: stage.path("original")))
        }
    }
}

/// Debian's sshd on a loopback port, with keys of its own, for the user who runs the tests.
struct SSHServer: Sendable {
    struct Missing: Error, CustomStringConvertible {
        let description =
            "there is no /usr/sbin/sshd: install it with apt-get install openssh-server openssh-client"
    }

    let stage: Stage
    let port: Int

    static func start(on stage: Stage) async throws -> SSHServer {
        let program = URL(fileURLWithPath: "/usr/sbin/sshd")
        guard FileManager.default.isExecutableFile(atPath: program.path) else { throw Missing() }
        // sshd insists; where a service manager starts it, that one makes the folder.
        if geteuid() == 0 { _ = unsafe mkdir("/run/sshd", 0o755) }
        for name in ["hostkey", "userkey"] {
            let generator = try stage.start(
                URL(fileURLWithPath: "/usr/bin/ssh-keygen"),
                ["-q", "-t", "ed25519", "-N", "", "-f", stage.path(name)])
            #expect(try await generator.end() == .exit(0), "\(generator.log)")
        }
        let free = try await LocalService.start(.echo)
        await free.stop()
        let configuration = """
            ListenAddress 127.0.0.1
            Port \(free.port)
            HostKey \(stage.path("hostkey"))
            AuthorizedKeysFile \(stage.path("userkey.pub"))
            PidFile none
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            PermitRootLogin prohibit-password
            Subsystem sftp internal-sftp

            """
        try Data(configuration.utf8).write(to: URL(fileURLWithPath: stage.path("sshd_config")))
        let server = try stage.start(program, ["-D", "-e", "-f", stage.path("sshd_config")])
        try await server.logLine(with: "Server listening")
        return SSHServer(stage: stage, port: free.port)
    }

    /// What every client is told, beside the way to the host.
    func options(acceptsHost: Bool = true) -> [String] {
        [
            "BatchMode=yes", "IdentitiesOnly=yes", "IdentityFile=\(stage.path("userkey"))",
            "UserKnownHostsFile=\(stage.path("known_hosts"))", "GlobalKnownHostsFile=none",
            "StrictHostKeyChecking=\(acceptsHost ? "accept-new" : "yes")", "User=\(NSUserName())",
        ].flatMap { ["-o", $0] }
    }

    /// Starts `ssh` or `scp`, which find `cway` by its name.
    func client(_ name: String, _ arguments: [String]) throws -> CwayProcess {
        let folder = try Cway.program().deletingLastPathComponent().path
        return try stage.start(
            URL(fileURLWithPath: "/usr/bin/\(name)"), arguments,
            environment: [
                "PATH": "\(folder):/usr/bin:/bin", "CWAY_HOME": stage.path("caller"), "SSH_AUTH_SOCK": "",
            ])
    }
}
