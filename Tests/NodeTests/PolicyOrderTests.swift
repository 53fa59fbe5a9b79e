import Node
import Testing

@Suite("The order of policies")
struct PolicyOrderTests {
    @Test("what was read before a change does not undo it, however late it comes")
    func late() {
        let order = PolicyOrder()
        var applied: [UInt64] = []
        for sequence: UInt64 in [0, 4, 4, 6, 5, 6, 3, 7] {
            order.apply(sequence) { applied.append(sequence) }
        }
        #expect(applied == [0, 4, 4, 6, 6, 7])
    }
}
