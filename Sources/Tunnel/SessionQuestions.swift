internal import MuxRPC

/// The calls of one session that were put to the owner and have no answer yet.
struct SessionQuestions {
    private struct Asked {
        let call: RequestNumber
        /// Whether the answer ends the session.
        let endsSession: Bool
    }

    private var asked: [UInt64: Asked] = [:]
    private var last: UInt64 = 0

    /// Whether one more may be put to the owner.
    var hasRoom: Bool { asked.count < Question.limit }

    /// Puts a call to the owner.
    mutating func ask(_ call: RequestNumber, in session: SessionID, endsSession: Bool) -> QuestionID {
        precondition(hasRoom, "the caller looks before it asks")
        last += 1
        asked[last] = Asked(call: call, endsSession: endsSession)
        return QuestionID(session: session, ordinal: last)
    }

    /// The call that an answer is to; `nil` where it was answered.
    mutating func take(_ question: QuestionID) -> (call: RequestNumber, endsSession: Bool)? {
        asked.removeValue(forKey: question.ordinal).map { ($0.call, $0.endsSession) }
    }
}
