internal import Glibc

/// Standard input or output failed: what was read is not all there was, or not everything was delivered.
public struct StandardStreamFailure: Error, Equatable, Sendable {
    /// Which of the two.
    public enum Stream: Equatable, Sendable {
        /// Standard input.
        case input
        /// Standard output.
        case output
    }

    /// Which of the two failed.
    public let stream: Stream
    /// The system's code, `errno`.
    public let code: Int32

    /// Puts the two together.
    public init(_ stream: Stream, code: Int32) {
        self.stream = stream
        self.code = code
    }
}

extension StandardStreamFailure: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    public var description: String {
        switch (stream, code) {
        case (.input, EISDIR): "standard input is a folder: give it a file, a pipe or a terminal"
        case (.input, EBADF): "standard input is closed: give it a file, a pipe or a terminal"
        case (.input, _):
            "standard input could not be read to its end (\(systemReason(code))): see that it can be"
        case (.output, EPIPE): "standard output did not take everything: its reader is gone"
        case (.output, EAGAIN): "standard output did not take everything: nobody reads it"
        case (.output, EBADF): "standard output did not take everything: it is closed"
        case (.output, _):
            "standard output did not take everything (\(systemReason(code))): see that there is room for it"
        }
    }
}

/// The descriptors at the edge of the process, of which every result is looked at.
///
/// One that does not block is waited for: another program that shares a terminal or a pipe may have made it so.
///
/// Safety: every transfer is bounded by the array that it goes to or comes from.
package enum StandardStream {
    /// Reads what there is, into the whole of `buffer` at most.
    ///
    /// - Returns: how many bytes came; 0 at the end alone.
    package static func read(
        _ descriptor: Int32, into buffer: inout [UInt8]
    ) throws(StandardStreamFailure) -> Int {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe Glibc.read(descriptor, $0.baseAddress, $0.count)
            }
            guard count < 0 else { return count }
            try recover(descriptor, POLLIN, as: .input)
        }
    }

    /// Writes all of some bytes.
    package static func write(
        _ bytes: ArraySlice<UInt8>, to descriptor: Int32
    ) throws(StandardStreamFailure) {
        var rest = bytes
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else {
                try recover(descriptor, POLLOUT, as: .output)
            }
        }
    }

    /// Looks at why a call moved nothing; returns when it may be tried again.
    private static func recover(
        _ descriptor: Int32, _ event: Int32, as stream: StandardStreamFailure.Stream
    ) throws(StandardStreamFailure) {
        guard errno != EINTR else { return }
        guard errno == EAGAIN else { throw StandardStreamFailure(stream, code: errno) }
        var poll = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        // What it says beside the event, the next call says too.
        guard unsafe Glibc.poll(&poll, 1, -1) < 0, errno != EINTR else { return }
        throw StandardStreamFailure(stream, code: errno)
    }
}
