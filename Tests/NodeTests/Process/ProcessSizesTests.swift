import Testing

@testable import Node

@Suite("Sizes of a process")
struct ProcessSizesTests {
    private static let gibibyte = 1 << 30

    private func sizes(_ memory: Int, _ descriptors: Int = 20_000, wanted: Int? = nil) -> ProcessSizes {
        ProcessSizes(
            .init(memoryByteCount: memory, descriptorCount: descriptors), poolByteCount: wanted)
    }

    @Test("have a pool of a quarter of the memory, within bounds, or as it is wanted")
    func pool() {
        #expect(sizes(16 * Self.gibibyte).poolByteCount == 256 << 20)
        #expect(sizes(400 << 20).poolByteCount == 100 << 20)
        #expect(sizes(64 << 20).poolByteCount == 64 << 20)
        #expect(sizes(64 << 20, wanted: 32 << 20).poolByteCount == 32 << 20)
    }

    @Test("have a connection for each descriptor but those that are reserved")
    func connections() {
        #expect(sizes(Self.gibibyte, 20_000).connectionCount == 20_000 - 64)
        #expect(sizes(Self.gibibyte, 64).connectionCount == 32)
        #expect(sizes(Self.gibibyte, 1).connectionCount == 1)
    }

    @Test("of this process are what the system says")
    func current() {
        ProcessDescriptors.raiseLimit()
        let sizes = ProcessSizes.current()
        #expect(ProcessSizes.poolByteCounts.contains(sizes.poolByteCount))
        #expect(sizes.descriptorCount == ProcessDescriptors.limit)
        #expect(ProcessDescriptors.freeCount(upTo: 5) == 5)
        #expect(sizes.description.hasPrefix("pool \(sizes.poolByteCount >> 20) MiB"))
    }

    @Test("know the control group's limit, of both versions, and those above")
    func controlGroups() {
        let second = [
            "/proc/self/cgroup": "0::/system.slice/cway.service\n",
            "/sys/fs/cgroup/system.slice/cway.service/memory.max": "max\n",
            "/sys/fs/cgroup/system.slice/memory.max": "536870912\n",
            "/sys/fs/cgroup/memory.max": "1073741824\n",
        ]
        #expect(ControlGroup.memoryByteCount { second[$0] } == 536_870_912)
        let first = [
            "/proc/self/cgroup": "4:cpu,cpuacct:/a\n7:memory:/docker/1\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456",
        ]
        #expect(ControlGroup.memoryByteCount { first[$0] } == 268_435_456)
        let none = ["/proc/self/cgroup": "0::/\nwrong\n", "/sys/fs/cgroup/memory.max": "max"]
        #expect(ControlGroup.memoryByteCount { none[$0] } == nil)
        #expect(ControlGroup.memoryByteCount { _ in nil } == nil)
    }
}
