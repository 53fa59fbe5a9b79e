import Commands
import Node
import Testing

@Suite("Words of peers")
struct RemoteWordsTests {
    @Test("what a peer does not offer is said once, whatever the peer calls it")
    func refusals() {
        for text in [
            "method:a,b is not in list of allowed methods",
            "muxrpc CallError: Error - method:a,b is not in list of allowed methods",
            "muxrpc: no such method: a.b", "no such command: a.b",
        ] {
            #expect(RemoteWords.text(of: text) == "the peer offers no such method to this node")
        }
    }

    @Test("other words are theirs, without wrappings")
    func others() {
        #expect(RemoteWords.text(of: "muxrpc CallError: Error - could not connect") == "could not connect")
        #expect(RemoteWords.text(of: "Error: Error: gone") == "gone")
        #expect(RemoteWords.text(of: "no async:a.b").hasSuffix("try --source"))
        #expect(RemoteWords.text(of: "no source:a.b").hasSuffix("leave out --source"))
        for text in ["", "Error: ", "Errors"] { #expect(RemoteWords.text(of: text) == text) }
    }
}
