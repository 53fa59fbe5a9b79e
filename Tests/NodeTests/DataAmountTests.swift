import Node
import Testing

@Suite("An amount of data")
struct DataAmountTests {
    @Test(
        "is read with its unit",
        arguments: [
            ("64kB", 64_000), ("20MB", 20_000_000), ("500GB", 500_000_000_000), ("1TB", 1_000_000_000_000),
            ("1000TB", 1_000_000_000_000_000),
        ])
    func reads(text: String, byteCount: Int) {
        #expect(DataAmount(text)?.byteCount == byteCount)
        #expect(DataAmount(text).map { "\($0)" } == (text == "1000TB" ? "1000TB" : text))
        #expect(DataAmount(perSecond: "\(text)/s")?.byteCount == byteCount)
    }

    @Test(
        "is nothing else",
        arguments: [
            "", "5", "5GB/s", "63kB", "1001TB", "05GB", "+5GB", "5 GB", "5.5GB", "5GiB", "GB",
            "99999999999999999999GB",
        ])
    func refuses(text: String) {
        #expect(DataAmount(text) == nil)
    }
}
