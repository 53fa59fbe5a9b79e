import CFuzzer
import FuzzTargets
import Glibc

// `Fuzz TARGET [corpus folders and options of libFuzzer]`; `.ci/fuzz` builds it and runs every target.

/// Which part is fuzzed; set once, before the driver starts.
nonisolated(unsafe) var target = FuzzTarget.handshake

guard CommandLine.arguments.count > 1, let chosen = FuzzTarget(rawValue: CommandLine.arguments[1]) else {
    let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
    print("usage: Fuzz TARGET [corpus folders and options of libFuzzer]\ntargets: \(names)")
    exit(64)
}
unsafe target = chosen

// The driver wants the arguments without the target's name.
var count = CommandLine.argc - 1
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv + 1
let code = unsafe LLVMFuzzerRunDriver(&count, &arguments) { data, size in
    guard let data = unsafe data else { return 0 }
    unsafe target.run(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
exit(code)
