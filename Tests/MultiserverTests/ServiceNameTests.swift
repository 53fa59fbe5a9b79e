import Multiserver
import Testing

@Suite("The name of a service")
struct ServiceNameTests {
    @Test(
        "is read with the instance before it, or means instance 0",
        arguments: [
            ("ssh", 0, "ssh"), ("0/ssh", 0, "ssh"), ("1/ssh", 1, "ssh"), ("12/*", 12, "*"), ("", 0, ""),
            ("9007199254740991/a", TunnelAddress.instanceLimit, "a"), ("1/", 1, ""), ("1/a/b", 1, "a/b"),
        ])
    func read(text: String, instance: Int, name: String) throws {
        let read = try ServiceName(parsing: text)
        #expect(read == ServiceName(name, at: instance))
        #expect(try ServiceName(parsing: read.description) == read)
    }

    @Test(
        "is refused with anything else before the slash",
        arguments: [
            "/ssh", "a/ssh", "-1/ssh", "+1/ssh", "01/ssh", "1.0/ssh", " 1/ssh", "1 /ssh",
            "9007199254740992/ssh",
            "99999999999999999999/ssh", "1e0/ssh", "１/ssh",
        ])
    func refused(text: String) {
        #expect(throws: AddressError.badInstance) { try ServiceName(parsing: text) }
    }

    @Test("is printed without instance 0, and sorted by instance")
    func order() {
        let names = [ServiceName("b"), ServiceName("a", at: 10), ServiceName("c", at: 2)]
        #expect(names.shuffled().sorted().map(\.description) == ["b", "2/c", "10/a"])
    }
}
