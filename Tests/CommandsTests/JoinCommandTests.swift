import Blinding
import Commands
import Foundation
import Invitation
import Keyring
import Multiserver
import Node
import Testing
import TypedSodium

@Suite("cway join, and what friends do then")
struct JoinCommandTests {
    @Test("redeems, calls by every name, and is out when removed", .timeLimit(.minutes(2)))
    func story() async throws {
        try await OwnedNetwork.run { network in
            let (owner, friend, stranger) = (network.owner, TestedHome(), TestedHome())
            let code = try await owner.invite("--label", "anna", "--service", "web")
            let joined = await friend.join("-", "--name", "home", input: [" \(code)\r"])
            #expect(joined.ended(.success) && joined.output == "home\n", "\(joined)")
            #expect(joined.complaints.contains("cway connect home"))
            let late = await stranger.run("join", code)
            #expect(late.ended(.inviteRefused) && late.complaints.contains("used up"), "\(late)")
            #expect(await stranger.run("friend", "list", "--json").output == "[]\n")

            let id = await owner.id()
            let sealed = try #require(await owner.run("address").lines.first)
            let caller = "{\"id\":\"\(await friend.id())\"}\n"
            for name in ["home", id, sealed] {
                #expect(await friend.run("call", name, "whoami").output == caller, "\(name)")
            }
            #expect(await friend.run("resolve", sealed).output == "\(network.portal) \(id)\n")
            // The friend's word for where the portal is, which leads to this machine, needs the reader's own each time.
            for name in ["home", sealed] {
                let call = ["call", name, "whoami", "--home", friend.path]
                let led = await CommandRun(call, environment: [:])
                #expect(led.ended(.portalUnreachable) && led.complaints.contains("nobody but you"), "\(led)")
                #expect(await CommandRun(call + ["--allow-local"], environment: [:]).output == caller)
            }
            #expect(await stranger.run("call", sealed, "whoami").ended(.notForThisKeyring))
            let seen = try await owner.run("friend", "show", "anna", "--json").object
            #expect(seen["lastSeen"] is String)

            let lines = await friend.run("connect", sealed, "web", "--ssh-config", "--identify").output
            #expect(
                lines.contains("Host home-web\n    HostKeyAlias home-web\n")
                    && lines.contains("'home' 'web' '--stdio'"))
            #expect(lines.contains("'--identify'") && !lines.contains(".circle1"))

            #expect(await owner.run("friend", "remove", "anna").ended(.success))
            let out = await friend.callUntilRefused("home")
            #expect(out.ended(.targetAbsent), "\(out)")
        }
    }

    @Test("redeems at a portal where members alone call, as the member", .timeLimit(.minutes(2)))
    func membersOnly() async throws {
        let friend = TestedHome()
        _ = await friend.id()
        let identity = try SecretFile(in: Home(path: friend.path, environment: [:])).load()
        try await OwnedNetwork.run { keyring in
            let shown = try Pseudonym.identity(of: identity, at: PortalKey(keyring.owner.publicKey))
            try Membership(keyring).add(shown.publicKey, label: "friend", now: WallClock.seconds())
            try Membership(keyring).setCallers(.members)
        } _: { network in
            let code = try await network.owner.invite("--label", "anna")
            let fresh = await friend.run("join", code, "--name", "home")
            #expect(!fresh.ended(.success), "\(fresh)")
            let joined = await friend.run("join", code, "--name", "home", "--identify")
            #expect(joined.ended(.success) && joined.output == "home\n", "\(joined)")
            #expect(await friend.run("call", "home", "whoami", "--identify").ended(.success))
        }
    }

    @Test("is told why an invite is refused", .timeLimit(.minutes(2)))
    func refusals() async throws {
        try await OwnedNetwork.run { network in
            let (owner, friend) = (network.owner, TestedHome())
            let code = try await owner.invite("--label", "anna")
            #expect(await owner.run("invite", "revoke", "anna").ended(.success))
            let run = await friend.join(code)
            #expect(run.ended(.inviteRefused) && run.complaints.contains("revoked"), "\(run)")
            let own = await owner.run("join", try await owner.invite())
            #expect(own.ended(.usage), "\(own)")
        }
    }

    @Test("tells an unreachable portal from a typing error, before or after dialling")
    func unreachable() async throws {
        let (owner, friend) = (TestedHome(), TestedHome())
        _ = await owner.run(
            "portals", "add", "net:127.0.0.1:1~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=")
        let code = try await owner.invite()
        let run = await friend.run("join", code, "--name", "home")
        #expect(run.ended(.portalUnreachable) && run.complaints.contains("again"), "\(run)")
        let pending = try await friend.run("friend", "show", "home", "--json").object
        #expect((pending["reach"] as? [String: Any])?["pending"] as? Bool == true)
        for text in ["\(code)A", String(code.dropLast()), "cway-invite-1.", "hello", "-", "host:1:@x~y"] {
            let typo = await TestedHome().run("join", text)
            #expect(
                typo.ended(.usage) && typo.output.isEmpty && typo.complaints.hasPrefix("cway: "), "\(typo)")
        }
        #expect(await friend.run("join", code, "--identify", "--real-id").ended(.usage))
    }

    @Test(
        "does not let an invite lead to this machine or its links unless its reader says so",
        arguments: ["127.0.0.1", "localhost", "0.0.0.0", "::1", "::ffff:127.0.0.1"])
    func local(_ host: String) async throws {
        let friend = TestedHome()
        let key = try Identity.random().publicKey
        let code = try Self.code(at: key, host: host, port: 1)
        let refused = await CommandRun("join", code, "--home", friend.path, environment: [:])
        #expect(refused.ended(.portalUnreachable), "\(refused)")
        #expect(refused.complaints.contains("which nobody but you may name: ask for"), "\(refused)")
        #expect(refused.complaints.contains("--allow-local"), "\(refused)")
        // Nothing listens there, but it is dialled.
        let allowed = await CommandRun("join", code, "--home", friend.path, "--allow-local", environment: [:])
        #expect(
            allowed.ended(.portalUnreachable) && allowed.complaints.contains("nothing listens"), "\(allowed)")
        // What is one of the reader's own portals at that very place needs no flag.
        for (port, isDialled) in [(2, false), (1, true)] as [(UInt16, Bool)] {
            let own = PeerAddress(net: try NetAddress(host: host, port: port), key: key)
            #expect(await friend.run("portals", "add", "\(own)").ended(.success))
            let run = await CommandRun("join", code, "--home", friend.path, environment: [:])
            #expect(run.complaints.contains("nothing listens") == isDialled, "\(run)")
        }
    }

    private static func code(at portal: PublicKey, host: String, port: UInt16) throws -> String {
        let portal = try PortalAddress(
            key: PortalKey(portal), host: host, port: port, isOpen: false,
            shownKey: try Identity.random().publicKey)
        let code = try InviteCode(
            endpoint: EndpointKey(try Identity.random().publicKey), seed: try .random(), expiry: nil,
            portals: [portal])
        return String(decoding: try code.encoded(), as: UTF8.self)
    }

    @Test("knows a code of an older program, and a typing error in one")
    func older() async throws {
        // As it was printed before invites named the key that is shown at a hidden portal.
        let code = """
            cway-invite-1.ARLfIZOZIqE3D03nTVG71hNwvPeHnEq0qeEuBk4dOFp5wehzGJzb-VO8h28xYa0mC9e0WyTfFA4ZlznZS3F43WEAAAAAa0n\
            SAAIAIwjpzrBdMnMLNgsKXCzIB_BbUG_k53ajuuYLD8Zu9UQScG9ydGFsLmV4YW1wbGUub3JnH0gBJHCh8Hp4sCoF1YNrlA4IznyZM4cGS4n\
            _xLPfmEsU8kkLMjAwMTpkYjg6OjFGWGGi2NM
            """
        let friend = TestedHome()
        let run = await friend.run("join", code)
        #expect(
            run.ended(.usage) && run.complaints.contains("made by an older cway; ask for a new one"), "\(run)"
        )
        let typo = await friend.run("join", code.replacing("cG9ydGFs", with: "cG9ydGFt"))
        #expect(typo.ended(.usage) && typo.complaints.contains("copy it again, whole"), "\(typo)")
        #expect(await friend.run("friend", "list", "--json").output == "[]\n")
    }

    @Test("warns of an invite that is over by this clock, and tries all the same")
    func expired() async throws {
        let portal = try PortalAddress(
            key: PortalKey(try Identity.random().publicKey), host: "127.0.0.1", port: 1, isOpen: false,
            shownKey: try Identity.random().publicKey)
        let code = try InviteCode(
            endpoint: EndpointKey(try Identity.random().publicKey), seed: try .random(), expiry: 1_000_000,
            portals: [portal])
        let text = String(decoding: try code.encoded(), as: UTF8.self)
        let run = await TestedHome().run("join", text)
        #expect(run.ended(.portalUnreachable) && run.complaints.contains("1970-01-12T13:46:40Z"), "\(run)")
    }
}

extension TestedHome {
    /// Joins, again while the owner's node is not announced for the invite: it follows its keyring within a second.
    fileprivate func join(_ arguments: String..., input: [String] = []) async -> CommandRun {
        await repeated(while: .targetAbsent) {
            await CommandRun(["join", "--home", path] + arguments, input: input)
        }
    }

    /// Calls until the token is taken back, which takes as long: a portal takes one announcement per second, and
    /// until then it is the owner's node that refuses.
    fileprivate func callUntilRefused(_ name: String) async -> CommandRun {
        // What a call meets depends on how far the removal has come: a node that does not know of it yet, one that
        // dismisses the session just made, one that lets nobody in, and at last a portal that knows no such target.
        await repeated(while: .success, .connectionLost, .innerHandshakeRefused) {
            await run("call", name, "whoami")
        }
    }

    private func repeated(
        while statuses: Node.ExitStatus..., body: () async -> CommandRun
    ) async -> CommandRun {
        var last = await body()
        for _ in 0..<100 where statuses.contains(where: last.ended) {
            try? await Task.sleep(for: .milliseconds(50))
            last = await body()
        }
        return last
    }
}
