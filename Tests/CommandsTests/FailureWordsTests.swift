import Commands
import Node
import Testing

@Suite("Failures in words")
struct FailureWordsTests {
    private let home = TestedHome()

    @Test("of libraries and the system have nothing of their calls and types in them")
    func raw() async throws {
        #expect(await home.run("portals", "add", TestedHome.portal).ended(.success))
        _ = try await home.invite()
        let peer = "net:no-such-name.invalid:8008~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="
        let lines: [([String], Node.ExitStatus, String)] = [
            (["portal", "--listen", "no-such-name.invalid:0"], .unexpected, "no-such-name.invalid"),
            (["portal", "--listen", "192.0.2.77:0"], .unexpected, "does not have this address"),
            (["call", peer, "whoami"], .portalUnreachable, "no-such-name.invalid"),
            (
                ["keyring", "backup", "/no-such-folder/copy"], .keyringUnusable,
                "/no-such-folder/copy cannot be used"
            ),
        ]
        for (line, status, words) in lines {
            // What a portal that could not listen holds of its home is held while this process lives.
            let place = line[0] == "portal" ? TestedHome() : home
            let run = await CommandRun(line + ["--home", place.path])
            #expect(run.ended(status) && run.complaints.contains(words), "\(run)")
            for raw in ["Error", "errno", "mdb_", "descriptor", "-draft", "(error", "Optional("] {
                #expect(!run.complaints.contains(raw), "\(run)")
            }
        }
    }

    @Test("serve says that it has nothing to offer")
    func nothingOffered() async throws {
        let lonely = await home.run("serve")
        #expect(lonely.ended(.usage) && lonely.complaints.contains("--service ssh=22"), "\(lonely)")
        let offering = await home.run("serve", "--service", "ssh=22")
        #expect(offering.ended(.usage) && !offering.complaints.contains("no service"), "\(offering)")
    }

    @Test("a portal that nobody else reaches says so where its address is for others")
    func localPortal() async {
        let wrong = ["portal", "--listen", "65536", "--home", home.path]
        #expect(await CommandRun(wrong).complaints.contains("write PORT for this machine"))
        let taken = ["portal", "--listen", "[::1]:1", "--listen", "192.0.2.77:0", "--home", home.path]
        let some = await CommandRun(taken + ["--public-host", "portal.example.org"])
        #expect(!some.complaints.contains("'*:"), "\(some)")
    }
}
