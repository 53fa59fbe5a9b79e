internal import MuxRPC

/// What was sent to a peer without credit, as far as it may not have read it yet: answers, and what a bare `echo` sends.
///
/// muxrpc does not say what a peer has read. So behind a part of it the peer is asked something, and its answer, whatever
/// it is, says that all in front of the question was read.
struct UnreadAnswers {
    /// How many bytes of each kind.
    struct Count: Equatable {
        var answers = 0
        var echoes = 0
    }

    /// How much of answers may be unread before the session ends.
    var answerLimit = Int.max
    /// How much a session's bare echoes may have under way.
    static let echoLimit = 256 << 10

    private var unread = Count()
    /// The part of it that stands in front of the question.
    private var asked = Count()
    private var question: RequestNumber?

    /// Answers that may be unread, in bytes.
    var answerByteCount: Int { unread.answers }

    /// Whether the peer has asked for more than it reads.
    var isBeyondLimit: Bool { unread.answers > answerLimit }

    /// How much more of echoes may be under way.
    var echoRoom: Int { max(0, Self.echoLimit - unread.echoes) }

    /// Whether the peer is to be asked now: each quarter of what may be under way, one question at a time.
    var isQuestionDue: Bool {
        guard question == nil else { return false }
        return unread.answers > answerLimit / 4 || unread.echoes > Self.echoLimit / 4
    }

    mutating func add(answers byteCount: Int) { unread.answers += byteCount }

    mutating func add(echo byteCount: Int) { unread.echoes += byteCount }

    mutating func ask(by number: RequestNumber) {
        question = number
        asked = unread
    }

    /// Takes note that a call was answered; whether it was the question.
    mutating func answered(_ number: RequestNumber) -> Bool {
        guard question == number else { return false }
        question = nil
        unread.answers -= asked.answers
        unread.echoes -= asked.echoes
        return true
    }
}
