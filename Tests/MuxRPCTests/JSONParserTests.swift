import MuxRPC
import NIOCore
import TestSupport
import Testing

@Suite("JSON parser")
struct JSONParserTests {
    static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
        try JSONValue(parsing: bytes.span)
    }

    static func parse(_ text: String) throws(JSONError) -> JSONValue { try parse(Array(text.utf8)) }

    @Test(
        "prints what it parsed as it came",
        arguments: [
            "null", "true", "false", "0", "-0", "-12.50e+07", "1E400", "\"\"", "\"é🐚\"", "[]", "{}",
            #"{"z":1,"a":[{"b":null},-0.0],"":"x"}"#, #"["\b\t\n\f\r\"\\\u0000\u001f"]"#,
            "123456789012345678901234567890.000",
        ])
    func keepsText(_ text: String) throws {
        #expect(try Self.parse(text).description == text)
    }

    @Test("takes white space where JSON has it, Go's line feed behind the value included")
    func whiteSpace() throws {
        #expect(try Self.parse(" \t\r\n{ \"a\" : [ 1 , 2 ] }\n").description == #"{"a":[1,2]}"#)
    }

    @Test(
        "refuses what is no JSON",
        arguments: [
            "", " ", "nul", "nulL", "tru", "fals", "True", "01", "-", "+1", ".5", "1.", "1e", "1e+", "--1",
            "1 2",
            "[", "[1", "[1,", "[1,]", "[,1]", "]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}",
            "{a:1}",
            "{1:1}", "{\"a\" 1}", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\\u12\"",
            "\"\n\"", "\"\\n\u{1}\"", "'a'", "NaN", "Infinity", "[1]]", "\u{FEFF}1", "\u{0}",
        ])
    func refuses(_ text: String) {
        #expect(throws: JSONError.self) { try Self.parse(text) }
    }

    @Test("names the place of a fault")
    func namesPlace() {
        #expect(throws: JSONError.unexpectedByte(at: 3)) { try Self.parse("[1 2]") }
        #expect(throws: JSONError.truncated) { try Self.parse("[1") }
        #expect(throws: JSONError.invalidEscape(at: 2)) { try Self.parse("\"\\q\"") }
        #expect(throws: JSONError.invalidUTF8(at: 2)) { try Self.parse([0x22, 0x61, 0xff, 0x22]) }
    }

    @Test(
        "refuses what is no UTF-8",
        arguments: [
            "22ff22", "22c022", "22c1bf22", "22e28022", "22eda08022", "22f4908080 22", "5c6eff22", "80",
            "5bc0805d",
        ])
    func refusesInvalidUTF8(_ digits: String) {
        let bytes = Hex(digits.filter { $0 != " " }).bytes
        #expect(throws: JSONError.self) { try Self.parse(bytes) }
        #expect(throws: JSONError.self) { try Self.parse([0x22, 0x5c, 0x6e] + bytes.dropFirst()) }
    }

    @Test(
        "resolves escapes, and lone surrogates to the replacement character",
        arguments: [
            (#""\u0041\u00e9\u4E2D""#, "Aé中"), (#""\ud83d\udc1a""#, "🐚"), (#""\ud83d""#, "\u{FFFD}"),
            (#""\udc1a\ud83d""#, "\u{FFFD}\u{FFFD}"), (#""\ud83d\u0041""#, "\u{FFFD}A"),
            (#""\ud83d\ud83d\udc1a""#, "\u{FFFD}🐚"), (#""\ud83dx""#, "\u{FFFD}x"),
            (#""\ud83d\n""#, "\u{FFFD}\n"),
            (#""a\/b\\\"""#, #"a/b\""#), (#""\b\f\n\r\t\u0000""#, "\u{8}\u{c}\n\r\t\u{0}"),
        ])
    func escapes(_ text: String, _ expected: String) throws {
        let string = try #require(try Self.parse(text).string)
        #expect(Array(string.utf8) == Array(expected.utf8))
    }

    @Test("takes the last of repeated keys, in the place of the first", arguments: [0, 3, 20, 40])
    func repeatedKeys(_ others: Int) throws {
        let filler = (0..<others).map { #","k\#($0)":0"# }.joined()
        let value = try Self.parse(#"{"a":1,"b":2\#(filler),"a":3}"#)
        #expect(value["a"] == 3)
        #expect(value.object?.members.first?.key == "a")
        #expect(value.object?.members.count == others + 2)
    }

    @Test("tells keys apart that only Swift would call equal")
    func keysAreBytes() throws {
        let value = try Self.parse(#"{"\u00e9":1,"e\u0301":2,"K":3,"\u212a":4}"#)
        #expect(value.object?.members.count == 4)
        #expect(value["K"] == 3)
        #expect(value["\u{212A}"] == 4)
    }

    @Test("bounds the depth")
    func depth() throws {
        let limit = JSONValue.depthLimit
        let deepest = String(repeating: "[", count: limit) + String(repeating: "]", count: limit)
        #expect(try Self.parse(deepest).description == deepest)
        #expect(throws: JSONError.tooDeep(at: limit)) { try Self.parse("[" + deepest + "]") }
        #expect(throws: JSONError.tooDeep(at: limit)) {
            try Self.parse([UInt8](repeating: UInt8(ascii: "["), count: 1 << 20))
        }
        #expect(throws: JSONError.tooDeep(at: 5 * limit)) {
            try Self.parse(String(repeating: #"{"a":"#, count: 1 << 18))
        }
    }

    @Test("bounds the number of values")
    func values() throws {
        let limit = JSONValue.valueLimit
        let most = "[" + String(repeating: "0,", count: limit - 2) + "0]"
        #expect(try Self.parse(most).array?.count == limit - 1)
        #expect(throws: JSONError.tooManyValues(at: 2 * limit - 1)) {
            try Self.parse("[" + String(repeating: "0,", count: limit - 1) + "0]")
        }
    }

    @Test("looks at every byte of a hostile mebibyte a few times at most")
    func isLinear() {
        let size = 1 << 20
        let keys = (0..<60_000).map { #""\#(String($0, radix: 36))":0,"# }.joined()
        let texts = [
            "[" + String(repeating: "0,", count: 60_000), "{" + keys + #""":0}"#,
            String(repeating: "9", count: size), "\"" + String(repeating: "\\u0041", count: size / 6) + "\"",
            "\"" + String(repeating: "\\ud83d", count: size / 6) + "\"", String(repeating: " ", count: size),
            "[" + String(repeating: "[[[],[]],{}],", count: 15_000),
            "1." + String(repeating: "0", count: size),
            "{" + String(repeating: #""a":0,"#, count: 60_000) + #""a":1}"#,
        ]
        for text in texts {
            let bytes = Array(text.utf8)
            var parser = JSONParser()
            _ = try? parser.document(bytes.span)
            let looks = parser.lookCount
            #expect(looks <= 4 * bytes.count + 4, "\(text.prefix(20))")
        }
    }

    @Test(
        "tells the first key that an object has twice",
        arguments: [
            (#"{"a":1,"b":{"c":1,"d":2,"c":3},"a":2}"#, "c"), (#"{"a":1,"b":{"a":1}}"#, nil),
            (#"[{"x":1},{"x":1}]"#, nil),
        ] as [(String, String?)])
    func repeatedKey(text: String, key: String?) throws {
        var parser = JSONParser()
        _ = try parser.document(Array(text.utf8).span)
        #expect(parser.repeatedKey == key)
    }

    @Test("takes mutations of valid text or refuses them, and gives back what it takes", arguments: 0..<8)
    func mutations(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let seedText = Array(
            #"{"name":["a","é\u00e9"],"args":[{"k":-1.5e3,"l":[true,null]},{}],"type":"x"}"#.utf8)
        for _ in 0..<500 {
            var bytes = seedText
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch UInt8.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(contentsOf: #"[]{},:"\eu09-."#.utf8.shuffled(using: &random), at: place)
                }
            }
            guard let value = try? Self.parse(bytes) else { continue }
            #expect(try JSONValue(parsing: value.serialized) == value)
        }
    }
}
