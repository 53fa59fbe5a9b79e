internal import Node
extension CommandFailure { init(_ failure: HopFailure) { self.init(.unexpected, failure.description) } }
