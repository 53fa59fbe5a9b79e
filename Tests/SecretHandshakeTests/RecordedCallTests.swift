import SecretHandshake
import TestSupport
import Testing
import TypedSodium

/// Every recorded call of another implementation, answered by the step of ours that corresponds to it.
///
/// `clean` is left out: it erases, which our types do by going out of scope.
@Suite("Recorded calls")
struct RecordedCallTests {
    static let names = [
        "initialize": 34, "toKeys": 2, "createChallenge": 31, "verifyChallenge": 30,
        "clientVerifyChallenge": 14, "clientCreateAuth": 12, "serverVerifyAuth": 12,
        "serverCreateAccept": 6, "clientVerifyAccept": 6,
    ]

    @Test("are answered in the same way", arguments: names.keys.sorted())
    func replay(_ name: String) throws {
        let calls = try Vectors.load("shs-vectors", as: [RecordedCall].self).filter { $0.name == name }
        #expect(calls.count == Self.names[name])
        for call in calls { try check(call) }
    }

    @Test("are all covered")
    func coverage() throws {
        let calls = try Vectors.load("shs-vectors", as: [RecordedCall].self)
        #expect(calls.count == 159)
        #expect(Set(calls.map(\.name)) == Set(Self.names.keys).union(["clean"]))
    }

    private func check(_ call: RecordedCall) throws {
        if call.name == "toKeys" { return try checkToKeys(call) }
        let replay = Replay(state: try #require(call.args.first?.state))
        let message = call.args.count > 1 ? try #require(call.args[1].bytes).bytes : []
        switch call.name {
        case "initialize": try replay.initialize()
        case "createChallenge": #expect(try replay.createHello() == call.result?.bytes?.bytes)
        case "verifyChallenge": try replay.verifyClientHello(message, after: call.result?.state)
        case "clientVerifyChallenge": try replay.verifyServerHello(message, after: call.result?.state)
        case "clientCreateAuth":
            #expect(try replay.createAuthenticate() == call.result?.bytes?.bytes)
        case "serverVerifyAuth": try replay.verifyAuthenticate(message, after: call.result?.state)
        case "serverCreateAccept": #expect(try replay.createAccept() == call.result?.bytes?.bytes)
        case "clientVerifyAccept":
            #expect(call.result != nil)
            try replay.verifyAccept(message)
        default: Issue.record("an unknown function: \(call.name)")
        }
    }

    private func checkToKeys(_ call: RecordedCall) throws {
        let argument = try #require(call.args.first)
        let publicKey = try #require(call.result?.keyPair).publicKey
        if let seed = argument.bytes {
            #expect(try seed.identity().publicKey.bytes.array == publicKey.bytes)
        } else {
            let secretBytes = try #require(argument.keyPair).secretKey.bytes
            #expect(try Identity(secretBytes: secretBytes.span).publicKey.bytes.array == publicKey.bytes)
        }
    }
}
