/// What a machine says, with who says it.
///
/// | bytes | |
/// |---|---|
/// | 1 | version, 1 |
/// | 16 | the sender |
/// | 8 | its number, counted apart for NATS and for links |
/// | 8 | the latest time that the sender knows |
/// | 1 | the kind of message |
/// | rest | its fields |
package struct ClusterEnvelope: Equatable, Sendable {
    /// The longest envelope in bytes: a part of a list.
    package static let byteCountLimit = 65_536
    /// What stands in front of a message's fields, in bytes.
    package static let headByteCount = 34

    private static let version: UInt8 = 1

    /// Who sends it.
    package let sender: MachineID
    /// Counts the sender's messages.
    package let number: UInt64
    /// The latest time that the sender knows.
    package let time: HybridTime
    /// What is said.
    package let message: ClusterMessage

    /// A message of a sender.
    package init(sender: MachineID, number: UInt64, time: HybridTime, message: ClusterMessage) {
        self.sender = sender
        self.number = number
        self.time = time
        self.message = message
    }

    /// Reads an envelope.
    ///
    /// - Throws: ``ClusterError``.
    package init(decoding bytes: [UInt8]) throws(ClusterError) {
        guard bytes.count <= Self.byteCountLimit else { throw .tooLong(bytes.count) }
        var reader = ClusterReader(bytes)
        guard try reader.number() == Self.version else { throw .malformed }
        sender = try reader.machine()
        number = try reader.number()
        time = try reader.time()
        message = try ClusterMessage(from: &reader)
        try reader.end()
    }

    /// How long it is, in bytes.
    package var byteCount: Int { Self.headByteCount + message.byteCount }

    /// The bytes to be sealed.
    package func encoded() -> [UInt8] {
        var writer = ClusterWriter(capacity: byteCount)
        writer.write(Self.version)
        writer.write(sender)
        writer.write(number)
        writer.write(time.value)
        message.write(to: &writer)
        assert(writer.bytes.count == byteCount, "the length is known before the message is written")
        return writer.bytes
    }
}

/// What machines say to each other.
package enum ClusterMessage: Equatable, Sendable {
    /// I am here, and so far I have come.
    case heartbeat(Heartbeat)
    /// These announcements have begun.
    case claims(ClaimBatch)
    /// These announcements have ended.
    case left(ClaimBatch)
    /// Who of you has one of these?
    case question(Question)
    /// I have these.
    case answer(Answer)
    /// Which open ids have you, and what has been hidden at yours since?
    case listQuery(ListQuery)
    /// Some of my ids.
    case listPart(ListPart)
    /// Serve these in nothing, though the log does not say so yet.
    case denials(UrgentDenials)

    init(from reader: inout ClusterReader) throws(ClusterError) {
        let kind: UInt8 = try reader.number()
        switch kind {
        case 1: self = .heartbeat(try Heartbeat(from: &reader))
        case 2: self = .claims(try ClaimBatch(from: &reader))
        case 3: self = .left(try ClaimBatch(from: &reader))
        case 4: self = .question(try Question(from: &reader))
        case 5: self = .answer(try Answer(from: &reader))
        case 6: self = .listQuery(try ListQuery(from: &reader))
        case 7: self = .listPart(try ListPart(from: &reader))
        case 8: self = .denials(try UrgentDenials(from: &reader))
        default: throw .malformed
        }
    }

    var byteCount: Int {
        switch self {
        case .heartbeat(let heartbeat): heartbeat.byteCount
        case .claims(let batch), .left(let batch): batch.byteCount
        case .question(let question): question.byteCount
        case .answer(let answer): answer.byteCount
        case .listQuery: ListQuery.byteCount
        case .listPart(let part): part.byteCount
        case .denials(let denials): denials.byteCount
        }
    }

    /// The subject that all machines hear, where the message is for all.
    package var commonSubject: ClusterSubject? {
        switch self {
        case .heartbeat: .heartbeat
        case .claims(let batch): batch.number == 0 ? nil : .claim
        case .left(let batch): batch.number == 0 ? nil : .left
        case .question: .question
        case .denials: .denial
        case .answer, .listQuery, .listPart: nil
        }
    }

    /// Whether it may come from a subject.
    func belongs(to subject: ClusterSubject) -> Bool {
        switch subject {
        case .link: true
        case .inbox: commonSubject == nil
        default: commonSubject == subject
        }
    }

    func write(to writer: inout ClusterWriter) {
        switch self {
        case .heartbeat(let heartbeat):
            writer.write(1 as UInt8)
            heartbeat.write(to: &writer)
        case .claims(let batch):
            writer.write(2 as UInt8)
            batch.write(to: &writer)
        case .left(let batch):
            writer.write(3 as UInt8)
            batch.write(to: &writer)
        case .question(let question):
            writer.write(4 as UInt8)
            question.write(to: &writer)
        case .answer(let answer):
            writer.write(5 as UInt8)
            answer.write(to: &writer)
        case .listQuery(let query):
            writer.write(6 as UInt8)
            query.write(to: &writer)
        case .listPart(let part):
            writer.write(7 as UInt8)
            part.write(to: &writer)
        case .denials(let denials):
            writer.write(8 as UInt8)
            denials.write(to: &writer)
        }
    }
}
