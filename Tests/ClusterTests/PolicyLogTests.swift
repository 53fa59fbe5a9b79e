import Cluster
import TestSupport
import Testing
import TypedSodium

@Suite("Cluster: the log of policy")
struct PolicyLogTests {
    /// A stream that several machines append to, as JetStream answers.
    private struct Stream {
        var records: [PolicyRecord] = []

        mutating func append(_ record: PolicyRecord) -> Bool {
            guard record.index == UInt64(records.count) + 1 else { return false }
            records.append(record)
            return true
        }

        /// Hands everything on that a machine has not applied.
        func bring(_ log: inout PolicyLog) throws -> [PolicyLog.Step] {
            var steps: [PolicyLog.Step] = []
            for record in records.dropFirst(Int(log.mark.index)) {
                steps.append(try log.take(record, number: record.index))
            }
            return steps
        }
    }

    private func salt(_ number: Int) -> MachineID { MachineID(high: 5, low: UInt64(number)) }

    private func filled(_ count: Int) throws -> (Stream, PolicyLog) {
        var (stream, log) = (Stream(), PolicyLog(appliedTo: PolicyMark()))
        for number in 0..<count {
            let record = log.append([UInt8(number)], salt: salt(number))
            let isIn = stream.append(try #require(record))
            #expect(isIn)
            _ = try stream.bring(&log)
        }
        return (stream, log)
    }

    @Test(
        "brings all machines to the same state, one winner a place, in whatever order they try",
        arguments: 0..<10)
    func contention(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var stream = Stream()
        var logs = (0..<3).map { _ in PolicyLog(appliedTo: PolicyMark()) }
        var applied = [[UInt8]](repeating: [], count: 3)
        var (own, wanted) = ([0, 0, 0], [0, 0, 0])
        for round in 0..<300 {
            let index = Int.random(in: 0..<3, using: &random)
            if let record = logs[index].append([UInt8(round & 0xff)], salt: salt(round)) {
                wanted[index] += 1
                if !stream.append(record) {
                    logs[index].refused()
                    wanted[index] -= 1
                }
            }
            let reader = Int.random(in: 0..<3, using: &random)
            for step in try stream.bring(&logs[reader]) {
                switch step {
                case .apply(let record): applied[reader] += record.body
                case .applyOwn(let record):
                    applied[reader] += record.body
                    own[reader] += 1
                case .known: Issue.record("nothing is brought twice")
                }
            }
        }
        for index in 0..<3 {
            for step in try stream.bring(&logs[index]) {
                if case .apply(let record) = step { applied[index] += record.body }
                if case .applyOwn(let record) = step {
                    applied[index] += record.body
                    own[index] += 1
                }
            }
        }
        #expect(Set(applied).count == 1)
        #expect(own == wanted)
        #expect(Set(logs.map(\.mark.index)) == [UInt64(stream.records.count)])
    }

    @Test("finds out after a silence whether its record stands there")
    func silence() throws {
        var (stream, log) = try filled(3)
        let first = log.append([9], salt: salt(90))
        let record = try #require(first)
        let second = log.append([9], salt: salt(91))
        #expect(second == nil)
        // It never came: the same bytes again, and no others.
        var verdict = try log.reachedEnd(3)
        #expect(verdict == .sendAgain(record))
        // It did come, late.
        _ = stream.append(record)
        let steps = try stream.bring(&log)
        #expect(steps == [.applyOwn(record)])
        verdict = try log.reachedEnd(4)
        #expect(verdict == .nothing)
        // Another was faster.
        _ = log.append([10], salt: salt(92))
        var other = PolicyLog(appliedTo: log.mark)
        let faster = other.append([11], salt: salt(93))
        _ = stream.append(try #require(faster))
        _ = try stream.bring(&log)
        verdict = try log.reachedEnd(5)
        #expect(verdict == .displaced)
        let third = log.append([12], salt: salt(94))
        #expect(third != nil)
    }

    @Test("is frozen by a stream that was restored, wiped, changed, or has a gap")
    func damage() throws {
        let (stream, log) = try filled(5)
        func failure(_ body: (inout PolicyLog) throws(PolicyLog.Failure) -> Void) -> PolicyLog.Failure? {
            var copy = log
            do throws(PolicyLog.Failure) { try body(&copy) } catch {
                #expect(copy.failure == error)
                let refused = copy.append([1], salt: salt(1))
                #expect(refused == nil)
                return error
            }
            return nil
        }
        #expect(
            failure { log throws(PolicyLog.Failure) in _ = try log.reachedEnd(4) }
                == .rolledBack(last: 4, known: 5))
        #expect(
            failure { log throws(PolicyLog.Failure) in _ = try log.reachedEnd(0) }
                == .rolledBack(last: 0, known: 5))
        #expect(failure { log throws(PolicyLog.Failure) in _ = try log.reachedEnd(5) } == nil)
        let (other, _) = try filled(7)
        #expect(
            failure { log throws(PolicyLog.Failure) in _ = try log.take(other.records[6], number: 7) }
                == .gap(expected: 6, found: 7))
        #expect(
            failure { log throws(PolicyLog.Failure) in _ = try log.take(stream.records[0], number: 6) }
                == .forked(at: 6))
        // Another history of the same length.
        var fork = PolicyLog(appliedTo: PolicyMark(index: 4, hash: FixedBytes()))
        let foreign = fork.append([4], salt: salt(77))
        let record = try #require(foreign)
        #expect(
            failure { log throws(PolicyLog.Failure) in _ = try log.take(record, number: 5) } == .forked(at: 5)
        )
    }

    @Test("knows the published records by their hashes, and that the second follows from the first")
    func vectors() throws {
        let vectors = try #require(SealingTests.Vectors.shared).records
        let records = try vectors.map { try PolicyRecord(decoding: $0.record.bytes) }
        #expect(records.map { $0.mark.hash.array } == vectors.map(\.hash.bytes))
        #expect(records.map { $0.encoded() } == vectors.map(\.record.bytes))
        var log = PolicyLog(appliedTo: PolicyMark())
        let steps = try records.map { try log.take($0, number: $0.index) }
        #expect(steps == records.map { .apply($0) })
    }

    @Test("reads what it writes, and nothing that is cut off or too long")
    func records() throws {
        var log = PolicyLog(appliedTo: PolicyMark())
        let made = log.append([1, 2, 3], salt: salt(1))
        let record = try #require(made)
        let bytes = record.encoded()
        #expect(try PolicyRecord(decoding: bytes) == record)
        for count in 0..<57 {
            #expect(throws: ClusterError.malformed) { try PolicyRecord(decoding: Array(bytes.prefix(count))) }
        }
        let long = [UInt8](repeating: 1, count: PolicyRecord.byteCountLimit + 1)
        #expect(throws: ClusterError.tooLong(long.count)) { try PolicyRecord(decoding: long) }
        var other = PolicyLog(appliedTo: PolicyMark())
        let refused = other.append(
            [UInt8](repeating: 0, count: PolicyRecord.bodyByteCountLimit + 1), salt: salt(1))
        #expect(refused == nil)
        for index in bytes.indices.dropFirst() {
            var changed = bytes
            changed[index] ^= 1
            #expect(try PolicyRecord(decoding: changed).mark != record.mark)
        }
    }
}
