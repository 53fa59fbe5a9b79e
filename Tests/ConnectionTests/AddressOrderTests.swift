import Connection
import NIOCore
import TestSupport
import Testing

@Suite("The order of a portal's addresses")
struct AddressOrderTests {
    private let start = NIODeadline.uptimeNanoseconds(5_000_000_000)
    private let all = ["a", "b", "c", "d"]

    @Test("is another one at each dial, and every one comes first now and then")
    func shuffled() {
        var (order, random) = (AddressOrder<String>(), SeededRandom(seed: 7))
        var firsts: [String: Int] = [:]
        for _ in 0..<400 {
            let addresses = order.order(all, at: start, using: &random)
            #expect(addresses.sorted() == all)
            firsts[addresses[0], default: 0] += 1
        }
        #expect(firsts.count == 4 && firsts.values.allSatisfy { $0 > 60 }, "\(firsts)")
    }

    @Test("has those last for a minute that were tried and did not answer, the latest at the end")
    func setAside() {
        var (order, random) = (AddressOrder<String>(), SeededRandom(seed: 1))
        order.tried("b", at: start)
        order.tried("d", at: start + .seconds(1))
        for _ in 0..<50 {
            let addresses = order.order(all, at: start + .seconds(59), using: &random)
            #expect(addresses[2...] == ["b", "d"] && Set(addresses[..<2]) == ["a", "c"])
        }
        let later = (0..<50).map { _ in order.order(all, at: start + .seconds(60), using: &random) }
        #expect(later.allSatisfy { $0.last == "d" } && Set(later.map(\.first)) == ["a", "b", "c"])
        #expect(
            Set((0..<50).map { _ in order.order(all, at: start + .seconds(61), using: &random)[0] }).count
                == 4)
    }

    @Test("has one first again as soon as a connection stands there")
    func stood() {
        var (order, random) = (AddressOrder<String>(), SeededRandom(seed: 3))
        for address in all { order.tried(address, at: start) }
        order.stood("c")
        for _ in 0..<20 { #expect(order.order(all, at: start, using: &random)[0] == "c") }
    }

    @Test("remembers 64 addresses at most, and forgets whichever was tried longest ago")
    func bound() {
        var (order, random) = (AddressOrder<Int>(), SeededRandom(seed: 3))
        for number in 0..<65 { order.tried(number, at: start + .milliseconds(Int64(number))) }
        #expect(order.order([1, 0, 64], at: start + .seconds(1), using: &random) == [0, 1, 64])
    }
}
