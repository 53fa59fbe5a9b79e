import Multiserver
import Node
import Testing
import Transport

@Suite("Services as they are written")
struct ServiceSettingTests {
    @Test("a port alone is one of this machine")
    func ports() throws {
        for text in ["ssh=22", "ssh=:22", "ssh=localhost:22"] {
            #expect(try ServiceSetting(text).target == .tcp(host: "localhost", port: 22))
        }
        #expect(try ServiceSetting("ssh=22").description == "ssh=localhost:22")
        for text in ["ssh=0", "ssh=65536", "ssh=022", "ssh=99999999999999999999", "ssh="] {
            #expect(throws: ServiceSettingError.badTarget(.badPort), "\(text)") { try ServiceSetting(text) }
        }
    }

    @Test("what is written otherwise gets a hint that fits")
    func hints() {
        for (text, hint) in [
            ("ssh", "NAME=PORT"), ("ssh=x", "NAME=PORT"), ("web=/run/w.sock", "unix:/run/"),
            ("web=./w.sock", "unix:/run/"), ("web=http://localhost:80/x", "without http://"),
            ("SSH=22", "like ssh"),
        ] {
            #expect { try ServiceSetting(text) } throws: {
                "\($0)".contains(hint) && !"\($0)".contains("8008")
            }
        }
    }
}
