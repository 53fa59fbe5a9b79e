public import Tunnel

extension NodeConnection: ConnectionMachine {
    /// What is to become of the connection.
    public var phase: ConnectionPhase {
        if isBroken { return .broken }
        return isFinished ? .finished : .running
    }
}
