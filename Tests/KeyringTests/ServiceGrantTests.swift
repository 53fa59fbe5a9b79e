import Keyring
import Multiserver
import Testing
import TypedSodium

@Suite("Rights")
struct ServiceGrantTests {
    @Test("at an instance are those alone that name it")
    func instances() {
        let grant = ServiceGrant.services(["web", "1/ssh", "1/git", "2/*"])
        #expect(grant.names(at: 0) == ["web"])
        #expect(grant.names(at: 1) == ["ssh", "git"])
        #expect(grant.names(at: 2) == [ServiceName.all])
        #expect(grant.names(at: 3) == nil)
        #expect(ServiceGrant.all.names(at: 0) == [ServiceName.all])
        #expect(ServiceGrant.all.names(at: 1) == nil)
        #expect(ServiceGrant.only([]).names(at: 0) == nil)
        for name in [ServiceName("web"), ServiceName("ssh", at: 1), ServiceName("any", at: 2)] {
            #expect(grant.includes(name))
        }
        for name in [ServiceName("ssh"), ServiceName("web", at: 1), ServiceName("web", at: 3)] {
            #expect(!grant.includes(name))
        }
        #expect(!ServiceGrant.all.includes(ServiceName("web", at: 1)))
    }

    @Test("that say all of an instance need no other name of it")
    func whole() {
        #expect(ServiceGrant.services(["*"]) == .all)
        #expect(ServiceGrant.services(["*", "web"]) == .all)
        #expect(ServiceGrant.services(["*", "web", "1/ssh"]) == .only(["*", "1/ssh"]))
        #expect(ServiceGrant.services(["1/*", "1/ssh", "ssh"]) == .only(["1/*", "ssh"]))
    }

    @Test("grow by those of another invite, and lose none")
    func union() {
        #expect(ServiceGrant.all.union(.only(["1/ssh"])) == .only(["*", "1/ssh"]))
        #expect(ServiceGrant.only(["1/ssh", "web"]).union(.all) == .only(["*", "1/ssh"]))
        #expect(
            ServiceGrant.only(["*", "1/ssh"]).union(.only(["web", "2/x"])) == .only(["*", "1/ssh", "2/x"]))
        #expect(ServiceGrant.all.union(.all) == .all)
    }

    @Test("are stored as they are, in an invite and with the friend who came by it")
    func stored() throws {
        let tested = try TestedKeyring()
        let keyring = try tested.open()
        let names = ["*", "1/ssh", "7/" + String(repeating: "n", count: ServiceGrant.nameByteCountLimit)]
        let friend = try keyring.friends.admit(
            person(3).publicKey, name: "anna", services: .services(names), now: TestedKeyring.now)
        #expect(friend.admission?.services == .services(names))
        #expect(try keyring.friends.find(named: "anna")?.admission?.services == .services(names))
        for name in [
            "x/ssh", "1/", "1/" + String(repeating: "n", count: ServiceGrant.nameByteCountLimit + 1),
        ] {
            #expect(throws: KeyringError.badServiceName(name)) {
                try keyring.friends.allow(friend.key, services: .services([name]))
            }
        }
    }
}
