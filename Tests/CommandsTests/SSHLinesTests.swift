import Commands
import Foundation
import Node
import Testing

@Suite("cway connect --ssh-config")
struct SSHLinesTests {
    private static let id = "@51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8=.ed25519"
    private static let address = "net:127.0.0.1:1~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="

    @Test("names the host and the alias of its key alike, and whom to log in as where that is said")
    func lines() async throws {
        let home = TestedHome()
        let plain = await home.run("connect", Self.address, "ssh", "--ssh-config")
        #expect(plain.ended(.success), "\(plain)")
        #expect(
            plain.output.hasPrefix(
                "Host 51w4nYL0\n    HostKeyAlias 51w4nYL0\n    ProxyCommand 'cway' 'connect' "))
        let named = await home.run("connect", Self.address, "git", "--ssh-config", "--user", "me")
        #expect(named.output.hasPrefix("Host 51w4nYL0-git\n    HostKeyAlias 51w4nYL0-git\n    User me\n"))
        for user in ["", "a b", "-oProxyCommand=x", "a\nProxyCommand x", "a\"b", "%h"] {
            let run = await home.run("connect", Self.address, "ssh", "--ssh-config", "--user=\(user)")
            #expect(run.ended(.usage), "\(run)")
        }
        #expect(await home.run("connect", Self.address, "ssh", "--stdio", "--user", "me").ended(.usage))
    }
}
