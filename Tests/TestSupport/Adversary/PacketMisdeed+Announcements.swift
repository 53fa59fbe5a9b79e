internal import Multiserver

extension PacketMisdeed {
    /// Hidden announcements that are none, or that try for what is somebody else's.
    static func oddAnnouncements(
        from number: Int32, in context: AdversaryContext
    ) -> [HandmadePacket] {
        let zero = String(repeating: "A", count: 43) + "="
        let others = [context.target.base64, context.portal.base64, zero]
        let tokens = [
            "null", "7", "{}", "\"\(zero)\"", "[null]", "[[]]", "[\"\"]", "[\"\(zero)\",\"\(zero)\"]",
            "[\"\(zero.dropLast())B=\"]", "[\"\(zero).token1\"]", "[\"\(context.target.id)\"]",
            "[\"\\u0041\(zero.dropFirst())\"]", "[\"\\ud800\(zero.dropFirst(3))\"]",
            "[\"é\(zero.dropFirst(2))\"]", "[\(others.map { "\"\($0)\"" }.joined(separator: ","))]",
            "[\"\(String(repeating: "A", count: 900_000))\"]",
            "[\(String(repeating: "0,", count: 60_000))0]",
        ]
        let arguments =
            tokens.flatMap { [#"[{"hidden":true,"tokens":\#($0)}]"#, #"[{"hidden":1,"tokens":\#($0)}]"#] } + [
                #"[{"hidden":true}]"#, #"[{"hidden":"true"}]"#, #"[{"tokens":[]}]"#,
                #"[{"hidden":true,"hidden":false,"tokens":[]}]"#, #"[{"hidden":true,"tokens":[]},{}]"#,
                #"["hidden"]"#, #"[[{"hidden":true}]]"#,
            ]
        return arguments.enumerated().map { .call(number + Int32($0), "tunnel.announce", $1) }
    }

    /// Announcements of every size, one behind the other, and taken back.
    static func announcements(from number: Int32, _ random: inout SeededRandom) -> [HandmadePacket] {
        let sizes = [768, 769, 1, 0, 12_288, 12_289, 20_000] + Array(repeating: 100, count: 200)
        var next = number
        var packets: [HandmadePacket] = []
        for size in sizes {
            let tokens = (0..<size).map { _ in "\"\(Base64.text(of: random.bytes(32)))\"" }
            let calls = [
                ("tunnel.announce", #"[{"hidden":true,"tokens":[\#(tokens.joined(separator: ","))]}]"#),
                (
                    ["tunnel.announce", "tunnel.leave", "whoami"].randomElement(using: &random) ?? "whoami",
                    "[]"
                ),
            ]
            for (name, arguments) in calls {
                packets.append(.call(next, name, arguments))
                next += 1
            }
        }
        return packets
    }
}
