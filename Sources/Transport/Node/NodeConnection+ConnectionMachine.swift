public import NIOCore
public import Tunnel

extension NodeConnection: ConnectionMachine {
    /// The next bytes for the socket.
    public func nextWrite(at now: NIODeadline) -> ByteBuffer? { nextWrite() }

    /// What is to become of the connection.
    public var phase: ConnectionPhase {
        if isBroken { return .broken }
        return isFinished ? .finished : .running
    }
}
