import Multiserver
import TestSupport
import Testing

@Suite("MultiserverAddress and AddressList")
struct MultiserverAddressTests {
    @Test("accept every published address and print it unchanged")
    func publishedValid() throws {
        let vectors = try GrammarVectors.load()
        #expect(vectors.valid.count == 6 && vectors.random.count == 100)
        for text in vectors.valid + vectors.random {
            #expect(try AddressList(text).description == text)
        }
    }

    @Test("refuse every published text that is none")
    func publishedInvalid() throws {
        for text in try GrammarVectors.load().invalid {
            #expect(throws: AddressError.self) { try AddressList(text) }
        }
    }

    @Test("take the escapes out of fields")
    func escapes() throws {
        let address = try MultiserverAddress("ab:c!:d!;e!~f!!:g~hi")
        #expect(address.layers.map(\.name) == ["ab", "hi"])
        #expect(address.layers[0].fields == ["c:d;e~f!", "g"])
        #expect(address.layers[1].fields.isEmpty)
        #expect(address.description == "ab:c!:d!;e!~f!!:g~hi")
    }

    @Test(
        "name the place where the grammar breaks",
        arguments: [
            ("a:x", 1), ("ab:x y", 4), ("ab:!x", 3), ("ab:x!", 4), ("ab~", 3), ("ab;", 3), ("ab:é", 3),
            ("ab ", 2),
            ("ab:\u{7f}", 3), ("aB", 1), ("ab\n", 2), ("ab:\0", 3), ("-ab", 0), ("ab:\u{37e}", 3),
        ])
    func malformed(text: String, offset: Int) {
        #expect(throws: AddressError.malformed(offset: offset)) { try AddressList(text) }
    }

    @Test("a single address is not a list")
    func single() throws {
        #expect(try AddressList("ab:1;cd:2").addresses.count == 2)
        #expect(throws: AddressError.malformed(offset: 4)) { try MultiserverAddress("ab:1;cd:2") }
    }

    @Test("bound the text before looking at it")
    func bound() throws {
        let limit = AddressList.byteCountLimit
        let longest = "ab:" + String(repeating: "x", count: limit - 3)
        #expect(try AddressList(longest).description == longest)
        #expect(throws: AddressError.tooLong(limit + 1, limit: limit)) { try AddressList(longest + "x") }
        #expect(throws: AddressError.tooLong(limit + 1, limit: limit)) { try Address(longest + "x") }
        #expect(throws: AddressError.tooLong(limit + 1, limit: limit)) { try ListenAddress(longest + "x") }
        #expect(throws: AddressError.tooLong(limit + 1, limit: limit)) {
            try NetAddress(hostAndPort: longest + "x")
        }
        #expect(throws: AddressError.empty) { try AddressList("") }
    }

    @Test("survive the longest texts that nest nothing but separators")
    func separatorsOnly() throws {
        let limit = AddressList.byteCountLimit
        let fields = "ab" + String(repeating: ":", count: limit - 2)
        #expect(try AddressList(fields).addresses[0].layers[0].fields.count == limit - 2)
        let layers = String(repeating: "ab~", count: limit / 3 - 1) + "ab"
        #expect(try AddressList(layers).description == layers)
    }
}
