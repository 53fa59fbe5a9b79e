internal import Foundation
internal import PeerSupport

/// stunnel doing nearly the same: TLS 1.3 inside TLS 1.3, each side proving its certificate.
///
/// It cannot keep a port of the portal open from behind, so the portal connects to the endpoint; the passes
/// of encryption are the same.
extension Way {
    static func stunnel(_ stage: Stage) async throws -> Way {
        let stunnel = try SSHStage.find("stunnel", package: "stunnel4")
        let folder = try stage.makeFolder("stunnel")
        try await stage.run(
            try SSHStage.find("openssl", package: "openssl"),
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                "2",
                "-subj", "/CN=benchmark", "-keyout", "\(folder)/key.pem", "-out", "\(folder)/certificate.pem",
            ])
        let service = try LoopbackSocket.listening()
        let ports = try StunnelPorts()
        let plan: [(role: String, services: [StunnelService])] = [
            (
                "endpoint",
                [
                    StunnelService(accept: ports.endpoint, connect: ports.endpointInner, isClient: false),
                    StunnelService(accept: ports.endpointInner, connect: try service.port, isClient: false),
                ]
            ),
            (
                "portal",
                [
                    StunnelService(accept: ports.portal, connect: ports.portalInner, isClient: false),
                    StunnelService(accept: ports.portalInner, connect: ports.endpoint, isClient: true),
                ]
            ),
            (
                "client",
                [
                    StunnelService(accept: ports.entry, connect: ports.clientOuter, isClient: true),
                    StunnelService(accept: ports.clientOuter, connect: ports.portal, isClient: true),
                ]
            ),
        ]
        var roles: [Role] = []
        for (role, services) in plan {
            let path = "\(folder)/\(role).conf"
            let sections = services.enumerated().map { $0.element.section(number: $0.offset) }
            let text =
                (["foreground = yes", "pid =", "debug = err", "syslog = no", common(folder)] + sections)
                .joined(separator: "\n")
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let child = try stage.launch("stunnel-\(role)", stunnel, [path])
            for service in services { try await SSHStage.awaitPort(service.accept, child) }
            roles.append(Role(name: role, children: [child]))
        }
        return Way(name: "nested stunnel", entry: ports.entry, service: service, roles: roles)
    }

    private static func common(_ folder: String) -> String {
        """
        cert = \(folder)/certificate.pem
        key = \(folder)/key.pem
        CAfile = \(folder)/certificate.pem
        verifyPeer = yes
        sslVersion = TLSv1.3
        ciphersuites = TLS_CHACHA20_POLY1305_SHA256
        socket = l:TCP_NODELAY=1
        socket = r:TCP_NODELAY=1
        """
    }
}

/// The ports of the three processes, two services each.
private struct StunnelPorts {
    let entry, clientOuter, portal, portalInner, endpoint, endpointInner: UInt16

    init() throws {
        // All taken at once, so that none is given twice.
        let sockets = try (0..<6).map { _ in try LoopbackSocket.listening() }
        let ports = try sockets.map { try $0.port }
        (entry, clientOuter, portal, portalInner, endpoint, endpointInner) = (
            ports[0], ports[1], ports[2], ports[3], ports[4], ports[5]
        )
    }
}

/// One end of a TLS connection.
private struct StunnelService {
    let accept: UInt16
    let connect: UInt16
    let isClient: Bool

    func section(number: Int) -> String {
        """
        [service\(number)]
        client = \(isClient ? "yes" : "no")
        accept = 127.0.0.1:\(accept)
        connect = 127.0.0.1:\(connect)
        """
    }
}
