import Multiserver
import Node
import SecretHandshake
import Testing
import Transport

@Suite("NetworkIdentifier and ServiceSetting as text")
struct NetworkIdentifierTextTests {
    @Test("the main network's is the published one, in both spellings")
    func published() {
        // ssb-caps, caps.json.
        #expect(NetworkIdentifier.scuttlebutt.text == "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=")
        let hex = "d4a1cb88a66f02f8db635ce26441cc5dac1b08420ceaac230839b755845a9ffb"
        #expect(NetworkIdentifier(text: hex) == .scuttlebutt)
        #expect(NetworkIdentifier(text: hex.uppercased()) == .scuttlebutt)
        #expect(NetworkIdentifier(text: NetworkIdentifier.scuttlebutt.text) == .scuttlebutt)
    }

    @Test(
        "nothing else is one",
        arguments: [
            "", "abc", String(repeating: "0", count: 63), String(repeating: "g", count: 64),
            String(repeating: "0", count: 66), "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/t=",
            "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan_s=",
        ])
    func refused(text: String) {
        #expect(NetworkIdentifier(text: text) == nil)
    }

    @Test("a service has a name and a target")
    func services() throws {
        let service = try ServiceSetting("ssh-2_b=2001:db8::1:22")
        #expect(service.name == "ssh-2_b" && service.target == .tcp(host: "2001:db8::1", port: 22))
        #expect(service.description == "ssh-2_b=[2001:db8::1]:22")
        #expect(try ServiceSetting("web=unix:/run/w.sock").target == .unix(path: "/run/w.sock"))
        #expect(throws: ServiceSettingError.badPath) { try ServiceSetting("web=unix:") }
        #expect(throws: ServiceSettingError.noTarget) { try ServiceSetting("ssh") }
        let long = String(repeating: "a", count: 65)
        for name in ["", "SSH", "s s", "é", "a/b", long] {
            #expect(throws: ServiceSettingError.badName) { try ServiceSetting("\(name)=a:1") }
        }
        #expect(throws: ServiceSettingError.badTarget(.badPort)) { try ServiceSetting("ssh=a") }
        #expect(throws: ServiceSettingError.badTarget(.badHost)) { try ServiceSetting("ssh=a=b:1") }
    }
}
