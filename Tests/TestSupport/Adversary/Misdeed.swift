/// What an ``AdversarialPeer`` does wrong; everything before it is correct.
package enum Misdeed: Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// In one of its two handshake messages.
    case handshake(HandshakeMisdeed)
    /// In a frame, behind a correct handshake.
    case box(BoxMisdeed)
    /// In muxrpc, inside genuine boxes.
    case packet(PacketMisdeed)
    /// On a stream that was opened correctly, `service.open` where it opens one itself.
    case stream(StreamMisdeed)

    /// What the other side has to make of it.
    package enum Consequence: Sendable {
        /// The session fails.
        case failure
        /// The session goes on: the `manifest` call behind the misdeed is answered.
        case survival
        /// Neither can be demanded: nothing readable follows, or it is for a policy to decide.
        case unspecified
    }

    /// Every misdeed there is.
    package static var allCases: [Misdeed] {
        HandshakeMisdeed.allCases.map(Misdeed.handshake) + BoxMisdeed.allCases.map(Misdeed.box)
            + PacketMisdeed.allCases.map(Misdeed.packet) + StreamMisdeed.allCases.map(Misdeed.stream)
    }

    /// What the other side has to make of it.
    package var consequence: Consequence {
        switch self {
        case .handshake(let deed): deed == .silence ? .unspecified : .failure
        case .box(let deed): deed.consequence
        case .packet(let deed): deed.consequence
        case .stream: .survival
        }
    }

    /// Layer and name.
    package var description: String {
        switch self {
        case .handshake(let deed): "handshake.\(deed.rawValue)"
        case .box(let deed): "box.\(deed.rawValue)"
        case .packet(let deed): "packet.\(deed.rawValue)"
        case .stream(let deed): "stream.\(deed.rawValue)"
        }
    }
}

/// What can be wrong with a handshake message.
package enum HandshakeMisdeed: String, Sendable, CaseIterable {
    /// Random bytes instead of it.
    case garbage
    /// One bit of it is another.
    case flippedBit
    /// The connection ends inside it, or in front of it.
    case earlyEnd
    /// Nothing instead of it, and the connection stays.
    case silence
    /// The other side's last message instead of it.
    case reflection
    /// The own hello once more instead of it.
    case replayedHello
    /// A hello of another network.
    case otherNetwork
    /// A hello with an ephemeral key of small order.
    case weakKey
}

/// What can be wrong with a box-stream frame.
package enum BoxMisdeed: String, Sendable, CaseIterable {
    /// Random bytes instead of a frame.
    case forgedFrame
    /// One bit of a genuine frame is another.
    case flippedBit
    /// A genuine frame twice.
    case replayedFrame
    /// Two genuine frames in the wrong order.
    case swappedFrames
    /// A genuine header that announces more than 4096 bytes.
    case overlength
    /// A genuine header that announces no bytes and is no goodbye.
    case emptyBody
    /// Anything behind the goodbye.
    case bytesAfterGoodbye
    /// The connection ends inside a frame.
    case cutFrame
    /// The connection ends between two frames, without a goodbye.
    case noGoodbye
    /// Random bytes in genuine boxes.
    case randomPlaintext
    /// Calls in boxes of one byte each: odd, but no fault.
    case tinyBodies

    var consequence: Misdeed.Consequence {
        switch self {
        case .forgedFrame, .flippedBit, .replayedFrame, .swappedFrames, .overlength, .emptyBody,
            .bytesAfterGoodbye, .cutFrame, .noGoodbye:
            .failure
        case .randomPlaintext: .unspecified
        case .tinyBodies: .survival
        }
    }
}

/// What can be wrong with a packet, or with many of them.
///
/// The first rows are those of the table of what JavaScript and Go sessions survive (the project's notes on the
/// wire, section 4).
package enum PacketMisdeed: String, Sendable, CaseIterable {
    /// A call with `"type":"sync"`, at which Go ends the session.
    case syncCall
    /// Packets of every kind without a body, at which JavaScript ends the session.
    case emptyBody
    /// End and data for numbers that the other side never used.
    case endOfUnknown
    /// End for an own number that was never used.
    case endOfUnopened
    /// A reply and an error for a call that nobody made.
    case replyToNothing
    /// Request number 0.
    case numberZero
    /// The body type that does not exist.
    case bodyTypeThree
    /// A call whose JSON stops in the middle.
    case brokenJSON
    /// A stream of a kind that does not exist.
    case unknownStreamType
    /// Arguments that are an object, or absent.
    case argumentsNoArray
    /// No name, and things that are no name.
    case noName
    /// Methods called as what they are not.
    case wrongKind
    /// A call of almost 1 MiB.
    case mebibyteCall
    /// Bodies one byte longer than anybody takes, sent to the end.
    case oversizedBody
    /// Nine random bytes, again and again.
    case randomHeaders
    /// A claimed length of 4 GiB, and a little of it.
    case hugeLength
    /// More streams at once than a session allows.
    case openFlood
    /// Data on streams that were never opened.
    case dataOnUnknown
    /// Streams that end as soon as they are opened.
    case openAndEnd
    /// One number for two calls and two streams.
    case numberReuse
    /// The least and the greatest number.
    case extremeNumbers
    /// JSON made to exhaust a parser: depth, count, length, bytes that are no text.
    case hostileJSON
    /// Flags that mean nothing.
    case junkFlags
    /// Thousands of calls whose answers are never read.
    case neverReading
    /// The goodbye, and calls behind it.
    case goodbyeThenMore
    /// Hundreds of `tunnel.connect` to nobody, with data behind each.
    case connectFlood
    /// `tunnel.connect` with arguments of every wrong shape.
    case connectArguments
    /// `tunnel.announce` that asks to be hidden, with tokens and arguments of every wrong shape.
    case announceArguments
    /// Hundreds of `tunnel.announce`, open and hidden, with as many tokens as fit or more, and `tunnel.leave`.
    case announceFlood

    var consequence: Misdeed.Consequence {
        switch self {
        case .randomHeaders, .hugeLength, .neverReading, .goodbyeThenMore: .unspecified
        default: .survival
        }
    }
}

/// What can be wrong on a stream with credit.
package enum StreamMisdeed: String, Sendable, CaseIterable {
    /// Credit of 0.
    case creditZero
    /// Credit of -1.
    case creditNegative
    /// Credit of 2³¹.
    case creditTooLarge
    /// Legal credit, so often that it exceeds what may be outstanding.
    case creditTooOften
    /// Credit of one and a half.
    case creditFraction
    /// Credit that is a text.
    case creditText
    /// An object that is neither credit nor end of file.
    case unknownMember
    /// JSON that stops in the middle.
    case brokenJSON
    /// A text packet among the bytes.
    case text
    /// Credit behind the own end of file, which is legal.
    case creditAfterEOF
    /// Bytes behind the own end of file.
    case dataAfterEOF
    /// Two ends of file.
    case twoEOFs
    /// More bytes than the first window allows.
    case dataBeyondCredit
    /// Bytes behind the end of the stream.
    case dataAfterEnd
    /// An end with an error.
    case errorEnd
    /// Not one byte of credit, ever.
    case neverGrants
}
