internal import NIOCore

extension ChannelHandlerContext {
    /// Closes once everything is written: a close by itself drops what waits.
    func closeBehindWrites(_ mode: CloseMode) {
        let promise = eventLoop.makePromise(of: Void.self)
        let channel = channel
        promise.futureResult.whenComplete { result in
            if case .success = result {
                channel.close(mode: mode, promise: nil)
            } else {
                channel.close(promise: nil)
            }
        }
        channel.writeAndFlush(ByteBuffer(), promise: promise)
    }
}
