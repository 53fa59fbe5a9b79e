internal import Account

/// What is paid for a stream: its places, and the memory that it holds.
///
/// It travels with the local end, which may still have bytes and its socket when the stream is over.
public final class ServicePlace: Sendable {
    /// What there is too little of for another stream.
    enum Shortage: Error {
        case streams, descriptors, memory

        /// What the caller is told.
        var message: String {
            switch self {
            case .streams: NodeErrorText.tooManyStreams
            case .descriptors: NodeErrorText.tooManySockets
            case .memory: NodeErrorText.heldTooMuch
            }
        }
    }

    /// What a stream costs that holds nothing, with the objects of its local end, in bytes.
    static let ownByteCount = 4096

    private let places: [Charge]
    private let memory: Charge

    private init(places: [Charge], memory: Charge) {
        self.places = places
        self.memory = memory
    }

    /// The place of a stream that a peer has opened, with a socket of a service behind it or without.
    static func ofPeer(_ payer: Payer, withSocket: Bool) throws(Shortage) -> ServicePlace {
        guard let stream = payer.streams.charge(1) else { throw .streams }
        var places = [stream]
        if withSocket {
            guard let socket = payer.descriptors.charge(1) else { throw .descriptors }
            places.append(socket)
        }
        return try make(payer, places)
    }

    /// The place of a stream that we have opened ourselves, which takes none that is a peer's to fill.
    static func own(_ payer: Payer) throws(Shortage) -> ServicePlace { try make(payer, []) }

    private static func make(_ payer: Payer, _ places: [Charge]) throws(Shortage) -> ServicePlace {
        guard let memory = payer.bytes.charge(ownByteCount) else { throw .memory }
        return ServicePlace(places: places, memory: memory)
    }

    /// For how many bytes is paid.
    var byteCount: Int { memory.count }

    /// Pays for so many bytes; whether there is room, and what was paid for before stays where not.
    func pay(for byteCount: Int) -> Bool { memory.count == byteCount || memory.change(to: byteCount) }
}
