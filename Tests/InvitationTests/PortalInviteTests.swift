import Invitation
import Multiserver
import Testing
import TypedSodium

@Suite("PortalInvite")
struct PortalInviteTests {
    private static let key = "51w4nYL0k7mRzDGw20KQqCjt35y8qLiopNPRDNUQrXI="
    private static let seed = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
    private static let legacy = "portal.example:8008:@\(key).ed25519~\(seed)"

    @Test(
        "reads every spelling",
        arguments: [
            legacy, "\"\(legacy)\"", "\(legacy)#https://example/welcome",
            "net:portal.example:8008~shs:\(key):\(seed)",
        ])
    func reads(_ text: String) throws {
        let invite = try PortalInvite(text)
        #expect(
            invite.portal == (try PeerAddress(MultiserverAddress("net:portal.example:8008~shs:\(Self.key)"))))
        var bytes: [UInt8] = []
        invite.seed.append(to: &bytes)
        #expect(bytes == Array(1...32))
        #expect(invite.encoded() == Self.legacy)
    }

    @Test(
        "refuses what is none",
        arguments: [
            ("portal.example:8008:@\(key).ed25519", AddressError.noInvite),
            ("net:portal.example:8008~shs:\(key)", .noInvite),
            (
                "net:portal.example:8008~shs:\(key):SSB+Room+PSK3TLYC2T86EHQCUHBUHASCASE18JBV24=",
                .noInvite
            ),
            ("\(legacy)=", .badSeed), ("\(legacy.dropLast(4))", .badSeed), ("", .noInvite),
            ("portal.example:0:@\(key).ed25519~\(seed)", .badPort),
            ("portal.example:8008:@\(key)~\(seed)", .malformed(offset: 6)),
        ])
    func refuses(_ text: String, _ error: AddressError) throws {
        #expect(throws: error) { _ = try PortalInvite(text) }
    }
}
