internal import NIOCore

/// Look-ups over all machines: gathered, asked, decided, tried again.
///
/// A look-up is decided when every machine that is waited for has answered, or 20 ms after the first found something;
/// what is found later joins what can be tried. A machine that is silent is asked over its link, and awaited for a
/// second in all. What was found is tried from the latest announcement on; when all has failed the machines are asked
/// once more.
///
/// ### Invariants
/// - Every look-up has a place; every question has a look-up that is not over, or awaits somebody.
struct LookUps: Sendable {
    /// What follows.
    enum Step: Equatable {
        /// All machines are to be asked.
        case ask(Question)
        /// These machines have not answered, and are to be asked over their links.
        case askOverLinks(Question, Set<MachineID>)
        /// The candidate is to be tried.
        case reach(LookUpID, Candidate)
        /// Nobody has it.
        case miss(LookUpID)
        /// Somebody has it, to whom there is no link.
        case unreachable(LookUpID)
    }

    private enum Alarm {
        case flush
        case yes(LookUpID)
        case overLinks(UInt64)
        case end(UInt64)
    }

    private struct Asked {
        let question: Question
        let lookUps: [LookUpID]
        var awaited: Set<MachineID>
    }

    private static let gatheringTime = TimeAmount.milliseconds(1)
    private static let yesTime = TimeAmount.milliseconds(20)
    private static let linkTime = TimeAmount.milliseconds(250)
    private static let patience = TimeAmount.seconds(1)

    private var lookUps: [LookUpID: LookUp] = [:]
    private var places = LookUpPlaces()
    private var gathered: [LookUpID] = []
    private var asked: [UInt64: Asked] = [:]
    private var alarms = DeadlineQueue<Alarm>()
    private var lastLookUp: UInt64 = 0
    private var lastQuestion: UInt64 = 0
    /// The question that each look-up is in.
    private var questions: [LookUpID: UInt64] = [:]

    init() {}

    /// How many are under way.
    var count: Int { places.count }
    var deadline: NIODeadline? { alarms.deadline }

    /// Begins a look-up; `nil` where its caller may have no other.
    mutating func begin(_ target: ClusterTarget, for caller: LookUpCaller, at now: NIODeadline) -> LookUpID? {
        guard places.take(for: caller, at: now) else { return nil }
        lastLookUp += 1
        let id = LookUpID(lastLookUp)
        lookUps[id] = LookUp(target, for: caller)
        gather(id, at: now)
        return id
    }

    /// The time has passed.
    mutating func timePassed(awaiting machines: Set<MachineID>, at now: NIODeadline) -> [Step] {
        var steps: [Step] = []
        while let alarm = alarms.takeDue(at: now) {
            switch alarm {
            case .flush: steps += ask(awaiting: machines, at: now)
            case .yes(let id):
                if lookUps[id]?.state == .asking { steps += decide(id, at: now) }
            case .overLinks(let number):
                if let asked = asked[number], !asked.awaited.isEmpty {
                    steps.append(.askOverLinks(asked.question, asked.awaited))
                }
            case .end(let number): steps += finish(number, at: now)
            }
        }
        assertInvariants()
        return steps
    }

    /// A machine has answered.
    mutating func take(_ answer: Answer, from machine: MachineID, at now: NIODeadline) -> [Step] {
        guard var asked = asked[answer.question], answer.fits(targetCount: asked.question.targets.count),
            asked.awaited.remove(machine) != nil
        else { return [] }
        self.asked[answer.question] = asked
        var steps: [Step] = []
        if !answer.isEmpty {
            for (index, id) in asked.lookUps.enumerated() {
                for announcer in answer.announcers(of: index) {
                    steps += found(Candidate(machine, announcer.key, since: announcer.time), for: id, at: now)
                }
            }
        }
        if asked.awaited.isEmpty { steps += finish(answer.question, at: now) }
        return steps
    }

    /// A machine is not waited for any more.
    mutating func stopAwaiting(_ machine: MachineID, at now: NIODeadline) -> [Step] {
        var steps: [Step] = []
        for number in asked.keys.sorted() where asked[number]?.awaited.remove(machine) != nil {
            if asked[number]?.awaited.isEmpty ?? false { steps += finish(number, at: now) }
        }
        return steps
    }

    /// A candidate was not reached.
    mutating func failed(_ id: LookUpID, _ failure: ReachFailure, at now: NIODeadline) -> [Step] {
        guard lookUps[id]?.state == .trying else { return [] }
        if failure == .noLink { lookUps[id]?.hasDeadLink = true }
        return decide(id, at: now)
    }

    /// A look-up is over: its target was reached, or its caller is gone.
    mutating func end(_ id: LookUpID) {
        guard let lookUp = lookUps.removeValue(forKey: id) else { return }
        questions[id] = nil
        gathered.removeAll { $0 == id }
        places.release(lookUp.caller)
    }

    // MARK: Private

    private func assertInvariants() {
        assert(places.count == lookUps.count, "every look-up has a place")
        assert(
            questions.allSatisfy { lookUps[$0.key] != nil && asked[$0.value] != nil }, "no question is lost")
    }

    private mutating func gather(_ id: LookUpID, at now: NIODeadline) {
        if gathered.isEmpty { alarms.add(.flush, at: now + Self.gatheringTime) }
        gathered.append(id)
        // A full question does not wait.
        if gathered.count == Question.limit { alarms.add(.flush, at: now) }
    }

    private mutating func ask(awaiting machines: Set<MachineID>, at now: NIODeadline) -> [Step] {
        let ids = Array(gathered.prefix(Question.limit))
        guard !ids.isEmpty else { return [] }
        gathered.removeFirst(ids.count)
        if !gathered.isEmpty {
            alarms.add(.flush, at: gathered.count < Question.limit ? now + Self.gatheringTime : now)
        }
        lastQuestion += 1
        let question = Question(id: lastQuestion, targets: ids.map { lookUps[$0]?.target ?? .nobody })
        asked[question.id] = Asked(question: question, lookUps: ids, awaited: machines)
        for id in ids { questions[id] = question.id }
        alarms.add(.overLinks(question.id), at: now + Self.linkTime)
        alarms.add(.end(question.id), at: now + Self.patience)
        return [.ask(question)] + (machines.isEmpty ? finish(question.id, at: now) : [])
    }

    /// Nobody's answer to a question is waited for any more.
    private mutating func finish(_ number: UInt64, at now: NIODeadline) -> [Step] {
        guard let asked = asked.removeValue(forKey: number) else { return [] }
        return asked.lookUps.flatMap { id -> [Step] in
            guard questions[id] == number else { return [] }
            questions[id] = nil
            guard let state = lookUps[id]?.state, state != .trying else { return [] }
            return decide(id, at: now)
        }
    }

    private mutating func found(_ candidate: Candidate, for id: LookUpID, at now: NIODeadline) -> [Step] {
        guard lookUps[id]?.add(candidate) == true, let state = lookUps[id]?.state else { return [] }
        switch state {
        case .asking: alarms.add(.yes(id), at: now + Self.yesTime)
        case .trying: break
        case .awaiting: return decide(id, at: now)
        }
        return []
    }

    /// Says what is next for a look-up.
    private mutating func decide(_ id: LookUpID, at now: NIODeadline) -> [Step] {
        guard var lookUp = lookUps[id] else { return [] }
        if let candidate = lookUp.next() {
            lookUp.state = .trying
            lookUps[id] = lookUp
            return [.reach(id, candidate)]
        }
        if questions[id] != nil {
            lookUps[id]?.state = .awaiting
            return []
        }
        if lookUp.wasFound, !lookUp.hasAskedAgain {
            lookUps[id]?.hasAskedAgain = true
            lookUps[id]?.state = .asking
            gather(id, at: now)
            return []
        }
        end(id)
        return [lookUp.hasDeadLink ? .unreachable(id) : .miss(id)]
    }
}
