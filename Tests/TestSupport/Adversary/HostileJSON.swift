/// Texts that are made to hurt whoever parses them.
enum HostileJSON {
    /// Bodies for calls; most of them are no calls at all.
    static func bodies(_ random: inout SeededRandom) -> [[UInt8]] {
        let name = #"{"name":["tunnel","ping"],"args":"#
        return [
            name + String(repeating: "[", count: 100_000),
            name + nested(65) + "}",
            name + "[" + String(repeating: "[],", count: 340_000) + "0]}",
            name + String(repeating: #"{"a":"#, count: 50_000),
            name + "[1e999999999,-0,00,1.,.5,+1]}",
            name + "[" + String(repeating: "9", count: 100_000) + "]}",
            name + #"["\ud800","\udc00\ud800","\u0000","\uZZZZ","\q"]}"#,
            #"{"name":["\u0000"],"args":[]}"#,
            #"{"name":["tunnel","ping"],"name":["whoami"],"args":[],"args":{}}"#,
            #"{"name":["#,
            #"{"name":["tunnel.ping"],"args":[]}"#,
            #"{"name":["__proto__","constructor"],"args":[]}"#,
            #"{"name":[\#(String(repeating: #""a","#, count: 20_000))"a"],"args":[]}"#,
            #"{"name":["\#(String(repeating: "n", count: 200_000))"],"args":[]}"#,
            "null", "[]", "0", "\"\"", "", " ", "{}", "{\"\":{}}", "truefalse", "NaN",
        ].map { Array($0.utf8) } + [
            Array(name.utf8) + [0x5b, 0x22, 0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0x22, 0x5d, 0x7d],
            [0xef, 0xbb, 0xbf] + Array("{}".utf8),
            random.bytes(500),
        ]
    }

    private static func nested(_ depth: Int) -> String {
        String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
}
