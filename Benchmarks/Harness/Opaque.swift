/// A value that the optimiser knows nothing about, so that it cannot compute results ahead of time.
@inline(never)
@_optimize(none)
func opaque<Value>(_ value: Value) -> Value { value }

/// Swallows a result, so that the optimiser cannot leave out the work that made it.
@inline(never)
@_optimize(none)
func blackHole<Value>(_ value: Value) {}
