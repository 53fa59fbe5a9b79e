/// The members of a JSON object, in the order in which they came; every key is there once.
///
/// Keys are the same when their bytes are: Swift's own comparison would take `é` in its two spellings, or the
/// Kelvin sign and `K`, for one. Two objects are equal when their members are, order included.
public struct JSONObject: Equatable, Sendable {
    /// One key and its value.
    public struct Member: Equatable, Sendable {
        /// The key, unescaped.
        public let key: String
        /// What stands behind it.
        public var value: JSONValue

        /// A member.
        public init(key: String, value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    /// The members in their order.
    public private(set) var members: [Member]

    /// From this many members on, an index finds repeated keys; below, comparing all is faster.
    private static let indexedFrom = 16

    /// No members.
    public init() { members = [] }

    /// The members, of a repeated key the last value in the first one's place, as JavaScript has it.
    public init(_ members: [Member]) {
        self.init()
        guard members.count >= Self.indexedFrom else {
            for member in members { self[member.key] = member.value }
            return
        }
        self.members.reserveCapacity(members.count)
        var places: [[UInt8]: Int] = [:]
        places.reserveCapacity(members.count)
        for member in members {
            let key = Array(member.key.utf8)
            if let place = places[key] {
                self.members[place].value = member.value
            } else {
                places[key] = self.members.count
                self.members.append(member)
            }
        }
    }

    /// A member's value; setting replaces it in its place or appends it, `nil` removes it.
    public subscript(key: String) -> JSONValue? {
        get { place(of: key).map { members[$0].value } }
        set {
            switch (place(of: key), newValue) {
            case (let place?, let value?): members[place].value = value
            case (let place?, nil): members.remove(at: place)
            case (nil, let value?): members.append(Member(key: key, value: value))
            case (nil, nil): break
            }
        }
    }

    /// A key that is among the members more than once.
    static func repeatedKey(in members: [Member]) -> String? {
        var keys: Set<[UInt8]> = []
        return members.first { !keys.insert(Array($0.key.utf8)).inserted }?.key
    }

    private func place(of key: String) -> Int? {
        members.firstIndex { $0.key.utf8.count == key.utf8.count && $0.key.utf8.elementsEqual(key.utf8) }
    }
}
