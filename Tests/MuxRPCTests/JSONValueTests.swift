import MuxRPC
import NIOCore
import Testing

@Suite("JSONValue")
struct JSONValueTests {
    @Test("is written as a literal and read by kind")
    func literals() {
        let value: JSONValue = ["a": 1, "b": [true, nil, "x", 1.5], "c": [:]]
        #expect(value.description == #"{"a":1,"b":[true,null,"x",1.5],"c":{}}"#)
        #expect(value["a"]?.integer == 1)
        #expect(value["b"]?.array?[2].string == "x")
        #expect(value["b"]?.array?[3].double == 1.5)
        #expect(value["b"]?.array?[0].bool == true)
        #expect(value["c"]?.object?.members.isEmpty == true)
        #expect(value["missing"] == nil)
        #expect(value["a"]?["deeper"] == nil)
        #expect(value.string == nil && value.integer == nil && value.array == nil && value.bool == nil)
    }

    @Test("sets members in their place, appends absent ones, removes with nil, touches nothing else")
    func setsMembers() throws {
        let came = ByteBuffer(string: #"{"target":"t","origin":"liar","x":[1.00,{"y":1e2}]}"#)
        var value = try JSONValue(parsing: came)
        value["origin"] = "proved"
        value["instance"] = 0
        #expect(
            value.description == #"{"target":"t","origin":"proved","x":[1.00,{"y":1e2}],"instance":0}"#)
        value["x"] = JSONValue?.none
        value["absent"] = JSONValue?.none
        #expect(value.description == #"{"target":"t","origin":"proved","instance":0}"#)

        var text: JSONValue = "no object"
        text["a"] = 1
        #expect(text == "no object")
    }

    @Test(
        "reads whole numbers exactly or not at all",
        arguments: [
            ("0", 0), ("-0", 0), ("1e3", 1000), ("1.0", 1), ("9223372036854775807", .max),
            ("-9223372036854775808", .min), ("9223372036854775808", nil), ("1.5", nil), ("1e400", nil),
            ("9007199254740993.0", nil), ("9007199254740991.0", 9_007_199_254_740_991), ("-2.5e1", -25),
        ] as [(String, Int64?)])
    func integers(_ text: String, _ expected: Int64?) throws {
        #expect(try JSONValue(parsing: ByteBuffer(string: text)).integer == expected)
    }

    @Test("reads long numbers, and refuses those without an end")
    func longNumbers() throws {
        let digits = String(repeating: "9", count: 100_000)
        let value = try JSONValue(parsing: ByteBuffer(string: digits))
        #expect(value.integer == nil)
        #expect(value.double == nil)
        #expect(value.description == digits)
        let fraction = try JSONValue(parsing: ByteBuffer(string: "0." + digits))
        #expect(fraction.double == 1)
    }

    @Test("prints doubles so that they are JSON and come back")
    func doubles() throws {
        for value in [0.1, -0.0, 1e300, .leastNonzeroMagnitude, 1e20, 123.0, -1e15, .pi] {
            let printed = JSONValue.number(JSONNumber(value)).description
            #expect(try JSONValue(parsing: ByteBuffer(string: printed)).double == value)
        }
        #expect(JSONNumber(3.0).text == "3")
        #expect(JSONNumber(.nan).text == "0")
        #expect(JSONNumber(-.infinity).text == "0")
    }

    @Test("escapes like JSON.stringify")
    func escapes() {
        let value = JSONValue.string("\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}\"\\/é\u{2028}")
        #expect(value.description == "\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\u{7f}\\\"\\\\/é\u{2028}\"")
    }
}
