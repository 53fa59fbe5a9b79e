import NIOCore
import Node
import Testing

@Suite("Rates of the last seconds")
struct RateWindowTests {
    private func window(_ samples: [(second: Int64, byteCount: Int)]) -> RateWindow {
        var window = RateWindow()
        for (second, byteCount) in samples {
            var sample = RateWindow.Sample(at: .uptimeNanoseconds(0) + .seconds(1_000 + second))
            sample.byteCount = byteCount
            window.add(sample)
        }
        return window
    }

    @Test("are none without two samples")
    func empty() {
        #expect(window([]).rates(over: .seconds(10)) == RateWindow.Rates())
        #expect(window([(0, 500)]).rates(over: .seconds(10)) == RateWindow.Rates())
        #expect(window([(0, 500), (0, 700)]).rates(over: .seconds(10)).bytes == 0)
    }

    @Test("are means over the time, or over what is known of it")
    func means() {
        #expect(window([(0, 0), (2, 600)]).rates(over: .seconds(10)).bytes == 300)
        let samples = (0...200).map { (second: Int64($0), byteCount: $0 < 190 ? 0 : ($0 - 190) * 50) }
        #expect(window(samples).rates(over: .seconds(10)).bytes == 50)
        #expect(window(samples).rates(over: .seconds(60)).bytes == 500.0 / 60)
    }
}
