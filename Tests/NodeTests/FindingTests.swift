import Multiserver
import Node
import Testing
import Tunnel

@Suite("A finding of the doctor")
struct FindingTests {
    @Test("takes the remedy from behind the last colon of a sentence")
    func sentences() {
        let finding = Finding("keyring", failure: "/tmp/a: b/keyring.mdb is no store: restore a backup")
        #expect(finding.hop == "keyring" && finding.verdict == .bad)
        #expect(finding.words == "/tmp/a: b/keyring.mdb is no store" && finding.remedy == "restore a backup")
        let lone = Finding("keyring", failure: "the keyring cannot be used")
        #expect(lone.words == "the keyring cannot be used" && lone.remedy == nil)
    }

    @Test("has words and a remedy for every hop that can fail")
    func hops() throws {
        let address = try NetAddress(hostAndPort: "portal.example.org:8008")
        let failures: [HopFailure] = [
            .unreachable(address, reason: "connection refused: really"),
            .outerHandshakeRefused(address, answered: true), .outerHandshakeRefused(address, answered: false),
            .callersAreMembers(address), .targetAbsent("who: is that"), .busy("busy: really"), .friendAbsent,
            .localAddress(address, LocalAddressError(kind: .loopback, address: "::1")), .endedEarly(address),
            .innerHandshakeRefused, .dismissed, .innerHandshakeTimedOut, .serviceUnknown("ssh"),
            .serviceNotListening("ssh"), .connectionLost("the other side ended the stream: why not"),
        ]
        for failure in failures {
            let finding = Finding("portal portal.example.org:8008", failure)
            // What may be a limit may be one of a healthy portal.
            let isLimit =
                switch failure {
                case .busy, .endedEarly, .outerHandshakeRefused(_, answered: false): true
                default: false
                }
            #expect(finding.verdict == (isLimit ? .odd : .bad) && !finding.words.isEmpty)
            let remedy = try #require(finding.remedy, "\(failure)")
            #expect(
                ["ask", "call", "check", "look", "run", "try"].contains { remedy.hasPrefix($0) }, "\(remedy)")
        }
        // What a portal says stays in the words, whatever it says.
        #expect(Finding("portal", .targetAbsent("no: reboot")).words.contains("no: reboot"))
    }
}
