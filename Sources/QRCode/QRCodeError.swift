/// Why there is no QR code for a text.
package enum QRCodeError: Error, Equatable, Sendable {
    /// There is nothing to encode.
    case empty
    /// More bytes than the largest symbol holds, at the level of correction that was asked for.
    case tooLong(Int)
    /// The library failed, with this system error: most likely there is no memory left.
    case failed(Int32)
}

extension QRCodeError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    package var description: String {
        switch self {
        case .empty: "there is nothing to draw: give a text"
        case .tooLong(let count): "\(count) bytes are too many for a QR code: pass the text on as it is"
        case .failed(let code):
            "the QR code could not be made (system error \(code)): pass the text on as it is"
        }
    }
}
