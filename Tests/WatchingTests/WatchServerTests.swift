import Testing
import Watching

@Suite struct WatchServerTests {
    @Test func isMade() { _ = WatchServer() }
}
