extension StreamMisdeed {
    /// What is sent on a stream that was opened a moment ago, by either side, under this number.
    func packets(on number: Int32, _ random: inout SeededRandom) -> [HandmadePacket] {
        let prelude = HandmadePacket(HandmadePacket.Flags.bytes, number, random.bytes(100))
        return [prelude] + breach(on: number, &random)
    }

    private func breach(on number: Int32, _ random: inout SeededRandom) -> [HandmadePacket] {
        func json(_ text: String) -> HandmadePacket {
            HandmadePacket(HandmadePacket.Flags.open, number, text)
        }
        func bytes(_ count: Int) -> HandmadePacket {
            HandmadePacket(HandmadePacket.Flags.bytes, number, random.bytes(count))
        }
        let eof = json(#"{"eof":true}"#)
        switch self {
        case .creditZero: return [json(#"{"credit":0}"#)]
        case .creditNegative: return [json(#"{"credit":-1}"#)]
        case .creditTooLarge: return [json(#"{"credit":2147483648}"#)]
        case .creditTooOften: return [HandmadePacket](repeating: json(#"{"credit":4194304}"#), count: 50)
        case .creditFraction: return [json(#"{"credit":1.5}"#)]
        case .creditText: return [json(#"{"credit":"x"}"#)]
        case .unknownMember:
            return [json(#"{"window":1}"#), json("[]"), json("true"), json(#"{"eof":false}"#)]
        case .brokenJSON: return [json(#"{"credit":"#)]
        case .text: return [HandmadePacket(HandmadePacket.Flags.text, number, "text")]
        case .creditAfterEOF: return [eof, json(#"{"credit":4096}"#)]
        case .dataAfterEOF: return [eof, bytes(10)]
        case .twoEOFs: return [eof, eof]
        case .dataBeyondCredit:
            let packet = bytes(32 << 10)
            return [HandmadePacket](repeating: packet, count: 12)
        case .dataAfterEnd: return [.end(number), bytes(10), eof, .end(number)]
        case .errorEnd: return [.error(number, "no more", isStream: true)]
        case .neverGrants: return []
        }
    }
}
