internal import Foundation
internal import Glibc
internal import PeerSupport

/// OpenSSH doing the same: an endpoint that keeps a port of the portal open (`-R`), a client that goes
/// through the portal to it (a nested ssh), and each proves its key to the other.
struct SSHStage {
    /// How the bytes are encrypted.
    enum Cipher: String, Sendable {
        case chacha20 = "chacha20-poly1305@openssh.com"
        case aes128 = "aes128-gcm@openssh.com"
    }

    /// The portal's daemon.
    let portal: Child
    /// The endpoint's daemon, and the client that keeps the port at the portal.
    let endpoint: [Child]
    /// Where the service's connections come out.
    let service: LoopbackSocket
    private let folder: String
    private let cipher: Cipher
    private let stage: Stage
    /// The port of the portal's daemon.
    let portalPort: UInt16
    /// The port at the portal that leads to the endpoint's daemon.
    private let tunnelPort: UInt16

    /// Makes keys, and starts both daemons and the endpoint's client.
    init(_ stage: Stage, _ cipher: Cipher) async throws {
        (self.stage, self.cipher) = (stage, cipher)
        let sshd = try Self.find("sshd", package: "openssh-server")
        let ssh = try Self.find("ssh", package: "openssh-client")
        folder = try stage.makeFolder("ssh")
        service = try LoopbackSocket.listening()
        // The daemon gives up its rights in this folder, which Debian makes when it starts the service.
        if geteuid() == 0, !FileManager.default.fileExists(atPath: "/run/sshd") {
            try FileManager.default.createDirectory(
                atPath: "/run/sshd", withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o755])
        }
        for key in ["host", "user"] {
            try await stage.run(
                try Self.find("ssh-keygen", package: "openssh-client"),
                ["-q", "-t", "ed25519", "-N", "", "-f", "\(folder)/\(key)"])
        }
        try FileManager.default.copyItem(atPath: "\(folder)/user.pub", toPath: "\(folder)/authorized_keys")
        portalPort = try LoopbackSocket.freePort()
        tunnelPort = try LoopbackSocket.freePort()
        let endpointPort = try LoopbackSocket.freePort()
        let host = try String(contentsOfFile: "\(folder)/host.pub", encoding: .utf8)
        try "* \(host)".write(toFile: "\(folder)/known_hosts", atomically: true, encoding: .utf8)
        portal = try Self.daemon(sshd, "portal", port: portalPort, folder, cipher, stage)
        let target = try Self.daemon(sshd, "endpoint", port: endpointPort, folder, cipher, stage)
        try await Self.awaitPort(portalPort, target)
        try await Self.awaitPort(endpointPort, target)
        let keeper = try stage.launch(
            "ssh-endpoint", ssh,
            Self.options(folder, cipher) + [
                "-N", "-o", "ExitOnForwardFailure=yes", "-R",
                "127.0.0.1:\(tunnelPort):127.0.0.1:\(endpointPort)",
                "-p", "\(portalPort)", "\(NSUserName())@127.0.0.1",
            ])
        endpoint = [target, keeper]
        try await Self.awaitPort(tunnelPort, keeper)
    }

    /// Starts a client that forwards a local port; `portalPort` is where it finds the portal, if not at its
    /// own.
    func makeClient(throughPort portalPort: UInt16? = nil) async throws -> (child: Child, entry: UInt16) {
        let entry = try LoopbackSocket.freePort()
        let child = try stage.launch(
            "ssh-client", try Self.find("ssh", package: "openssh-client"),
            nested(throughPort: portalPort) + [
                "-N", "-L", "127.0.0.1:\(entry):127.0.0.1:\(try service.port)",
            ]
                + destination)
        try await Self.awaitPort(entry, child)
        return (child, entry)
    }

    /// Goes the whole way, runs a program that does nothing, and comes back.
    func connectOnce(isNested: Bool) async throws {
        let ssh = try Self.find("ssh", package: "openssh-client")
        let way =
            isNested
            ? nested(throughPort: nil) + destination
            : Self.options(folder, cipher) + ["-p", "\(portalPort)", "\(NSUserName())@127.0.0.1"]
        try await stage.run(ssh, way + ["true"])
    }

    /// A connection to the portal that does nothing.
    func makeIdleConnection() throws -> Child {
        try stage.launch(
            "ssh-idle", try Self.find("ssh", package: "openssh-client"),
            Self.options(folder, cipher) + ["-N", "-p", "\(portalPort)", "\(NSUserName())@127.0.0.1"])
    }

    /// Ends what this started, clients of its own apart.
    func end() { stage.end([portal] + endpoint) }

    private var destination: [String] { ["-p", "\(tunnelPort)", "\(NSUserName())@127.0.0.1"] }

    private func nested(throughPort port: UInt16?) -> [String] {
        let options = Self.options(folder, cipher).joined(separator: " ")
        let outer =
            "ssh \(options) -p \(port ?? portalPort) -W 127.0.0.1:\(tunnelPort) \(NSUserName())@127.0.0.1"
        return Self.options(folder, cipher) + ["-o", "ProxyCommand=\(outer)"]
    }

    private static func options(_ folder: String, _ cipher: Cipher) -> [String] {
        [
            "-F", "none", "-i", "\(folder)/user", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
            "-o", "UserKnownHostsFile=\(folder)/known_hosts", "-o", "StrictHostKeyChecking=yes",
            "-o", "HostKeyAlias=benchmark", "-o", "Compression=no", "-o", "LogLevel=ERROR",
            "-c", cipher.rawValue,
        ]
    }

    private static func daemon(
        _ sshd: String, _ name: String, port: UInt16, _ folder: String, _ cipher: Cipher, _ stage: Stage
    ) throws -> Child {
        // StrictModes: the keys stand below a folder that everybody may write to. MaxStartups: the default
        // turns away what connects fast.
        let configuration = """
            Port \(port)
            ListenAddress 127.0.0.1
            HostKey \(folder)/host
            AuthorizedKeysFile \(folder)/authorized_keys
            PidFile none
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            PermitRootLogin prohibit-password
            MaxStartups 1000
            MaxSessions 1000
            Ciphers \(cipher.rawValue)
            Compression no
            PrintMotd no
            LogLevel ERROR
            """
        let path = "\(folder)/\(name).conf"
        try configuration.write(toFile: path, atomically: true, encoding: .utf8)
        return try stage.launch("sshd-\(name)", sshd, ["-D", "-e", "-f", path])
    }

    /// Waits until somebody listens on the port.
    static func awaitPort(_ port: UInt16, _ child: Child, within limit: Duration = .seconds(10)) async throws
    {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline, child.isRunning {
            // Asked of the system: a connection would be carried to the service.
            if ListeningPorts.contains(port) { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Stage.Failure(
            description: "the \(child.name) did not get ready: \(child.complaints.suffix(300))")
    }

    static func find(_ program: String, package: String) throws -> String {
        guard let path = Stage.program(program) else {
            throw Stage.Failure(description: "\(program) is not installed: apt-get install \(package)")
        }
        return path
    }
}

/// The TCP ports of this machine that somebody listens on.
enum ListeningPorts {
    static func contains(_ port: UInt16) -> Bool {
        let hexadecimal = String(port, radix: 16, uppercase: true)
        let ending = ":" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
        let lines = ((try? String(contentsOfFile: "/proc/net/tcp", encoding: .utf8)) ?? "").split(
            separator: "\n")
        return lines.contains { line in
            let fields = line.split(separator: " ")
            return fields.count > 3 && fields[1].hasSuffix(ending) && fields[3] == "0A"
        }
    }
}

extension Way {
    /// Nested ssh through a portal's sshd, with one client or two.
    static func ssh(
        _ stage: Stage, _ cipher: SSHStage.Cipher, withSecondClient: Bool = false
    ) async throws -> Way {
        let ssh = try await SSHStage(stage, cipher)
        let client = try await ssh.makeClient()
        let second = withSecondClient ? try await ssh.makeClient() : nil
        return Way(
            name: cipher == .chacha20 ? "ssh chacha20-poly1305" : "ssh aes128-gcm", entry: client.entry,
            secondEntry: second?.entry, service: ssh.service,
            roles: [
                Role(name: "client", children: [client.child] + (second.map { [$0.child] } ?? [])),
                Role(name: "portal", children: [ssh.portal]),
                Role(name: "endpoint", children: ssh.endpoint),
            ])
    }
}

extension Ways {
    /// Adds the other programs that do the same.
    mutating func addPeers(_ stage: Stage) async {
        await add("OpenSSH with chacha20-poly1305") { try await .ssh(stage, .chacha20) }
        await add("OpenSSH with aes128-gcm") { try await .ssh(stage, .aes128) }
        await add("nested stunnel") { try await .stunnel(stage) }
    }
}
