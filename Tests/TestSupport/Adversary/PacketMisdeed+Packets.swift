internal import Multiserver

extension PacketMisdeed {
    /// What is sent, one behind the other; `number` and those above it were not used yet.
    func packets(
        from number: Int32, in context: AdversaryContext, _ random: inout SeededRandom
    ) -> [HandmadePacket] {
        singles(from: number, &random) ?? floods(from: number, in: context, &random)
    }

    private typealias Flags = HandmadePacket.Flags

    /// The misdeeds of a few packets.
    private func singles(from number: Int32, _ random: inout SeededRandom) -> [HandmadePacket]? {
        let next = number + 1
        switch self {
        case .syncCall:
            return [
                HandmadePacket(Flags.call, number, #"{"name":["tunnel","ping"],"args":[],"type":"sync"}"#)
            ]
        case .emptyBody:
            return [0, 1, 2, 3, 6, 8, 9, 0x0a, 0x0b, 0x0e].flatMap { flags in
                [number, -number, 1, -1].map { HandmadePacket(flags, $0, []) }
            }
        case .endOfUnknown:
            return [.end(-7), HandmadePacket(Flags.bytes, -7, "x"), .error(-8, "no", isStream: true)]
        case .endOfUnopened: return [.end(number + 700), .error(number + 701, "no", isStream: false)]
        case .replyToNothing:
            return [HandmadePacket(Flags.call, -77, "true"), .error(-78, "no", isStream: false)]
        case .numberZero:
            return [
                .call(0, "tunnel.ping"), .open(0, "tunnel.connect"), .end(0),
                HandmadePacket(Flags.bytes, 0, "x"),
            ]
        case .bodyTypeThree:
            return [0x03, 0x0b, 0x07, 0x0f].map { HandmadePacket($0, number, "{}") }
                + [HandmadePacket(0x0b, next, #"{"name":["echo"],"args":[],"type":"duplex"}"#)]
        case .brokenJSON:
            return [
                HandmadePacket(Flags.call, number, #"{"name":["tun"#),
                HandmadePacket(Flags.open, next, #"{"name":["tun"#), HandmadePacket(Flags.end, next, "tru"),
            ]
        case .unknownStreamType:
            return [.open(number, "tunnel.connect", type: "triplex"), .open(next, "echo", type: "async")]
        case .argumentsNoArray:
            return [
                .call(number, "tunnel.ping", "{}"), .call(next, "manifest", "null"),
                .open(next + 1, "tunnel.connect", "7"),
                HandmadePacket(Flags.call, next + 2, #"{"name":["tunnel","ping"]}"#),
            ]
        case .noName: return Self.namelessCalls(from: number)
        case .wrongKind:
            return [
                .open(number, "tunnel.connect", type: "source"), .open(next, "tunnel.ping"),
                .call(next + 1, "tunnel.connect"), .call(next + 2, "echo"),
                .open(next + 3, "manifest", type: "sink"),
            ]
        case .mebibyteCall:
            let text = String(repeating: "m", count: (1 << 20) - 100)
            return [.call(number, "tunnel.ping", #"["\#(text)"]"#)]
        case .extremeNumbers:
            let calls = [Int32.max, .max - 1].map { HandmadePacket.call($0, "tunnel.ping") }
            let rest = [Int32.min, .min + 1].flatMap { number in
                [0x02, 0x06, 0x08, 0x0a, 0x0e].map { HandmadePacket($0, number, "true") }
            }
            return rest + calls + [.open(.max, "echo"), .end(.max)]
        case .hugeLength:
            let flags = [Flags.call, Flags.bytes, Flags.open].randomElement(using: &random) ?? Flags.call
            return [HandmadePacket(flags, number, random.bytes(5000), claiming: .max)]
        case .goodbyeThenMore:
            return [.goodbye, .call(number, "tunnel.ping"), .open(next, "echo"), .goodbye]
        default: return nil
        }
    }

    /// The misdeeds of many or of large packets.
    private func floods(
        from number: Int32, in context: AdversaryContext, _ random: inout SeededRandom
    ) -> [HandmadePacket] {
        switch self {
        case .oversizedBody:
            return [
                HandmadePacket(Flags.call, number, [UInt8](repeating: 0x20, count: (1 << 20) + 1)),
                .open(number + 1, "echo"),
                HandmadePacket(Flags.bytes, number + 1, [UInt8](repeating: 7, count: (64 << 10) + 1)),
            ]
        case .randomHeaders: return (0..<200).map { _ in HandmadePacket(randomHeader: random.bytes(9)) }
        case .openFlood:
            return (0..<1500 as Range<Int32>).map {
                .open(number + $0, $0.isMultiple(of: 2) ? "echo" : "service.open", "[{}]")
            }
        case .dataOnUnknown:
            return (0..<300 as Range<Int32>).map { index in
                let flags = [Flags.bytes, Flags.text, Flags.open][Int(index % 3)]
                let sign: Int32 = index.isMultiple(of: 2) ? 1 : -1
                return HandmadePacket(flags, sign * (number + 5000 + index), random.bytes(20))
            }
        case .openAndEnd:
            return (0..<200 as Range<Int32>).flatMap { index -> [HandmadePacket] in
                [.open(number + index, "echo"), .end(number + index)]
            }
        case .numberReuse:
            return (0..<20).flatMap { _ -> [HandmadePacket] in
                [
                    .open(number, "echo"), .call(number, "tunnel.ping"),
                    .open(number, "tunnel.connect", "[{}]"),
                    .call(number, "whoami"),
                ]
            }
        case .hostileJSON:
            let flags = [Flags.call, Flags.open]
            return HostileJSON.bodies(&random).enumerated().map { index, body in
                HandmadePacket(flags[index % 2], number + Int32(index), body.isEmpty ? [0x20] : body)
            }
        case .junkFlags:
            return (1...15).map { junk in
                var call = HandmadePacket.call(number + Int32(junk), "tunnel.ping")
                call.flags |= UInt8(junk << 4)
                return call
            }
        case .neverReading: return (0..<8000 as Range<Int32>).map { .call(number + $0, "manifest") }
        case .connectFlood:
            return (0..<300 as Range<Int32>).flatMap { index -> [HandmadePacket] in
                let target = "@\(String(repeating: "A", count: 40))\(index % 10)AA=.ed25519"
                let arguments = #"[{"portal":"\#(context.portal.id)","target":"\#(target)"}]"#
                return [
                    .open(number + index, "tunnel.connect", arguments),
                    HandmadePacket(Flags.bytes, number + index, random.bytes(64)),
                ]
            }
        case .announceArguments: return Self.oddAnnouncements(from: number, in: context)
        case .announceFlood: return Self.announcements(from: number, &random)
        default: return Self.oddConnects(from: number, in: context)
        }
    }

    private static func namelessCalls(from number: Int32) -> [HandmadePacket] {
        [
            #"{"args":[]}"#, #"{"name":[],"args":[]}"#, #"{"name":[1],"args":[]}"#,
            #"{"name":[["a"]],"args":[]}"#,
            #"{"name":null,"args":[]}"#, #"{"name":"","args":[]}"#, #"{"name":[""],"args":[]}"#,
        ].enumerated().map { HandmadePacket(Flags.call, number + Int32($0), $1) }
    }

    private static func oddConnects(
        from number: Int32, in context: AdversaryContext
    ) -> [HandmadePacket] {
        let (portal, target) = (context.portal.id, context.targetName)
        let zeros = String(repeating: "A", count: 43)
        return [
            "[]", "[null]", "[{}]", "[[]]", #"["\#(target)"]"#, #"[{"target":7,"portal":[]}]"#,
            #"[{"target":"\#(portal)","portal":"\#(portal)"}]"#, #"[{"target":"","portal":""}]"#,
            #"[{"target":"constructor","portal":"\#(portal)"}]"#,
            #"[{"target":"@\#(zeros)=.ed25519","portal":"@\#(zeros)=.ed25519"}]"#,
            #"[{"target":"\#(zeros)=.token1","portal":"\#(portal)"}]"#,
            #"[{"target":"\#(zeros).token1","portal":"\#(portal)","instance":"x"}]"#,
            #"[{"target":"\#(target)","portal":"\#(portal)","instance":1e300,"origin":{}}]"#,
            #"[{"target":"\#(target)","portal":"\#(portal)","instance":-1}]"#,
            #"[{"target":"\#(target)\#(String(repeating: "x", count: 60_000))","portal":"\#(portal)"}]"#,
        ].enumerated().map { .open(number + Int32($0), "tunnel.connect", $1) }
    }
}

extension HandmadePacket {
    /// Nine random bytes, and nothing behind them.
    fileprivate init(randomHeader bytes: [UInt8]) {
        func word(_ offset: Int) -> UInt32 {
            bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        self.init(bytes[0], Int32(bitPattern: word(5)), [], claiming: word(1))
    }
}
