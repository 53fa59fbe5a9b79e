import SecretHandshake
import TestSupport
import Testing
import TypedSodium

@Suite("ServerHandshake")
struct ServerHandshakeTests {
    let meeting: Meeting

    init() throws { meeting = try Meeting(seed: 0x5E4E) }

    @Test("asks for 64 bytes, then for 112, then for a decision")
    func byteCounts() throws {
        var server = try meeting.listening()
        #expect(server.expectedByteCount == 64)
        #expect(try server.receive(meeting.hello.span) == .send(meeting.serverHello))
        #expect(server.expectedByteCount == 112)
        let action = try server.receive(meeting.authenticate.span)
        #expect(action == .decide(client: meeting.client.publicKey))
        #expect(server.expectedByteCount == nil)
        #expect(try server.accept().message.count == 80)
        #expect(server.expectedByteCount == nil)
    }

    @Test("has nothing to write for a client that is refused")
    func refuse() throws {
        var server = try meeting.deciding()
        server.refuse()
        #expect(server.expectedByteCount == nil)
        #expect(server.refusalToAccept() == .alreadyFinished)
        #expect(server.refusal(of: meeting.hello) == .alreadyFinished)
    }

    @Test("takes one decision")
    func acceptTwice() throws {
        var server = try meeting.deciding()
        _ = try server.accept()
        #expect(server.refusalToAccept() == .alreadyFinished)
    }

    @Test("does not accept before it knows whom")
    func acceptEarly() throws {
        var listening = try meeting.listening()
        #expect(listening.refusalToAccept() == .outOfTurn)
        #expect(listening.refusal(of: meeting.hello) == .alreadyFinished)
        var answering = try meeting.answering()
        #expect(answering.refusalToAccept() == .outOfTurn)
        #expect(answering.refusal(of: meeting.authenticate) == .alreadyFinished)
    }

    @Test("hears nothing more while the decision stands out")
    func messageBeforeDecision() throws {
        var server = try meeting.deciding()
        #expect(server.refusal(of: meeting.authenticate) == .outOfTurn)
        #expect(server.refusalToAccept() == .alreadyFinished)
    }

    @Test("refuses a message of another length", arguments: [0, 63, 65, 80, 111, 113])
    func wrongByteCount(_ count: Int) throws {
        let message = [UInt8](repeating: 0, count: count)
        var listening = try meeting.listening()
        #expect(listening.refusal(of: message) == .wrongByteCount(count, expected: 64))
        var answering = try meeting.answering()
        #expect(answering.refusal(of: message) == .wrongByteCount(count, expected: 112))
        #expect(answering.refusal(of: meeting.authenticate) == .alreadyFinished)
    }

    @Test("does not answer a client of another network")
    func otherNetwork() throws {
        var server = try meeting.listening(on: .scuttlebutt)
        #expect(server.refusal(of: meeting.hello) == .wrongNetwork)
    }

    @Test("does not understand a client that meant another server")
    func otherServer() throws {
        var client = try meeting.dialling(to: Meeting(seed: 3).server.publicKey)
        let authenticate = try client.answer(meeting.serverHello)
        var server = try meeting.answering()
        #expect(server.refusal(of: authenticate) == .forged)
    }
}

extension ServerHandshake {
    /// Why the machine does not accept.
    mutating func refusalToAccept() -> HandshakeError? {
        do throws(HandshakeError) {
            _ = try accept()
            return nil
        } catch {
            return error
        }
    }
}
