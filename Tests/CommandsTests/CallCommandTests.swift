import Blinding
import Commands
import Multiserver
import Node
import SecretHandshake
import Testing
import TypedSodium

@Suite("cway call", .timeLimit(.minutes(1)))
struct CallCommandTests {
    @Test("calls async methods of a target through its portal")
    func tunnel() async throws {
        try await TestedNetwork.run { network in
            let who = await network.call("whoami")
            #expect(who.output == "{\"id\":\"\(network.caller.id)\"}\n")
            #expect(who.code == 0 && who.complaints.isEmpty)
            let services = await network.call("service.list", "--async")
            #expect(services.code == 0 && services.output == "[]\n")
            let ping = await network.call("tunnel.ping", "--real-id")
            #expect(Int64(ping.output.dropLast()) ?? 0 > 1_500_000_000_000)
        }
    }

    @Test("calls methods of a portal itself, arguments included")
    func direct() async throws {
        try await TestedNetwork.run { network in
            let portal = network.portal.description
            let items = await network.command("call", portal, "tunnel.endpoints", "--limit", "1")
            #expect(items.code == 0 && items.output.contains(network.target.target.id))
            #expect(items.output.hasPrefix("[") && items.output.split(separator: "\n").count == 1)
            let source = ["call", portal, "room.attendants", "--source", "--limit", "1", "{\"a\":[1,\"é\"]}"]
            let attendants = await CommandRun(source + ["--home", network.home])
            #expect(attendants.code == 0 && attendants.output.contains("\"type\":\"state\""))
        }
    }

    /// Which key the portal says that it sees.
    private static func seenKey(on network: TestedNetwork, _ flags: String...) async throws -> String {
        let line = ["call", network.portal.description, "whoami", "--home", network.home]
        let run = await CommandRun(line + flags)
        return try #require(try run.object["caller"] as? String, "\(run)")
    }

    @Test("shows a portal a fresh key, unless told otherwise")
    func freshKey() async throws {
        try await TestedNetwork.run { network in
            let own = network.caller.id
            let identity = try SecretFile(in: Home(path: network.home, environment: [:])).load()
            let pseudonym = try Pseudonym.identity(of: identity, at: PortalKey(network.portal.key)).publicKey
                .id
            let first = try await Self.seenKey(on: network)
            let second = try await Self.seenKey(on: network)
            #expect(Set([own, pseudonym, first, second]).count == 4)
            #expect(try await Self.seenKey(on: network, "--real-id") == own)
            #expect(try await Self.seenKey(on: network, "--identify") == pseudonym)
        }
    }

    @Test("announces nobody, whatever it calls and whatever key it shows")
    func unlisted() async throws {
        try await TestedNetwork.run { network in
            for flags in [[], ["--real-id"], ["--identify"]] {
                for method in ["tunnel.endpoints", "room.attendants"] {
                    let run = await CommandRun(
                        ["call", network.portal.description, method, "--source", "--limit", "1"]
                            + ["--home", network.home] + flags)
                    let target = network.target.target.id
                    #expect(run.code == 0 && run.output.contains(target), "\(run)")
                    // The endpoint alone: the list has one id in it.
                    #expect(run.output.split(separator: ".ed25519").count == 2, "\(run)")
                }
                let announce = await CommandRun(
                    ["call", network.portal.description, "tunnel.announce", "--home", network.home] + flags)
                #expect(announce.ended(.usage) && announce.complaints.contains("cway serve"), "\(announce)")
            }
        }
    }

    @Test("ends with the method's code and the peer's words when a method fails")
    func remoteErrors() async throws {
        try await TestedNetwork.run { network in
            for arguments in [["no.method"], ["no.method", "--async"], ["no.method", "--source"]] {
                let run = await CommandRun(
                    ["call", "--home", network.home, "--portal", network.portal.description]
                        + [network.target.description] + arguments)
                #expect(run.code == ExitStatus.methodFailed.rawValue, "\(arguments)")
                #expect(run.output.isEmpty && run.complaints.hasPrefix("cway: no.method: "), "\(run)")
            }
            let duplex = await network.call("echo")
            #expect(duplex.code == ExitStatus.usage.rawValue && duplex.complaints.contains("duplex"))
        }
    }

    @Test("names the hop that failed")
    func hops() async throws {
        try await TestedNetwork.run { network in
            let absent = try TunnelAddress(
                portal: network.portal.key, target: Identity.random().publicKey)
            let portal = network.portal.description
            let run = await network.command("call", absent.description, "whoami", "--portal", portal)
            #expect(run.code == ExitStatus.targetAbsent.rawValue, "\(run)")
            #expect(run.output.isEmpty && run.complaints.contains("not at the portal"))

            let wrongKey = PeerAddress(net: network.portal.net, key: try Identity.random().publicKey)
            let wrong = await network.command("call", wrongKey.description, "whoami")
            #expect(wrong.code == ExitStatus.outerHandshakeRefused.rawValue, "\(wrong)")
            #expect(wrong.complaints.contains("another key"))

            let other = String(repeating: "01", count: 32)
            let network2 = await network.command("call", portal, "whoami", "--network", other)
            #expect(network2.code == ExitStatus.outerHandshakeRefused.rawValue, "\(network2)")
            #expect(network2.complaints.contains("another network"))

            let nobody = "net:127.0.0.1:1~shs:" + String(portal.split(separator: ":").last ?? "")
            let unreachable = await network.command("call", nobody, "whoami")
            #expect(unreachable.code == ExitStatus.portalUnreachable.rawValue, "\(unreachable)")
        }
    }

    @Test("says when the target does not let the caller in")
    func notAllowed() async throws {
        try await TestedNetwork.run(allowsCaller: false) { network in
            let run = await network.call("whoami")
            #expect(run.code == ExitStatus.innerHandshakeRefused.rawValue, "\(run)")
            #expect(run.output.isEmpty && run.complaints.contains("cway id"))
        }
    }

    @Test("complains about its arguments before it dials")
    func usage() async throws {
        let folder = TemporaryPath()
        let key = try Identity.random().publicKey
        let portal = PeerAddress(net: try NetAddress(host: "127.0.0.1", port: 1), key: key).description
        let target = try TunnelAddress(portal: key, target: Identity.random().publicKey).description
        let lines = [
            [portal, "whoami", "1", "{"], ["non:sense", "whoami"], [portal, ".a"], [portal],
            [portal, "whoami", "--limit", "0"], [portal, "whoami", "--async", "--source"],
            [target, "whoami"], [target, "whoami", "--portal", target],
            ["net:h:1~noauth", "whoami"], [portal, "whoami", "--identify", "--real-id"],
        ]
        for line in lines {
            let run = await CommandRun(["call", "--home", folder.path] + line)
            #expect(run.code == ExitStatus.usage.rawValue && run.output.isEmpty, "\(line): \(run)")
        }
        let run = await CommandRun(["call", "--home", folder.path, portal, "whoami", "1", "{"])
        #expect(run.complaints.contains("argument 2") && run.complaints.contains("stops in the middle"))
        let misspelt = await CommandRun(["call", "--home", folder.path, "nonsense", "whoami"])
        #expect(
            misspelt.code == ExitStatus.notFound.rawValue && misspelt.complaints.contains("cway friend list"))
        let blinded = await CommandRun([
            "call", "--home", folder.path, "tunnel:\(key.base64).circle1", "whoami", "--portal", portal,
        ])
        #expect(blinded.code == ExitStatus.notForThisKeyring.rawValue && blinded.output.isEmpty)
    }
}
