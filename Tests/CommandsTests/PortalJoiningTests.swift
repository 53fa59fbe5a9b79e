import Commands
import MuxRPC
import Node
import Testing

@Suite("What a portal's answer to an invite means")
struct PortalJoiningTests {
    @Test("is success where the key is let in, or was before")
    func success() throws {
        for reply in [
            Reply.value(true), .value(["key": "%x"]), .failure(RemoteError("already following")),
            .failure(RemoteError("Error: already following")),
        ] {
            try PortalJoining.outcome(of: reply).get()
        }
    }

    @Test("is a refusal in the portal's words otherwise")
    func refusal() {
        #expect {
            try PortalJoining.outcome(of: .failure(RemoteError("invite used up"))).get()
        } throws: { error in
            guard let failure = error as? CommandFailure else { return false }
            return failure.status == .inviteRefused && failure.message.contains("invite used up")
        }
    }
}
