/// Finds the name that somebody meant who wrote another one.
package enum NearestName {
    /// Names are compared up to here, in characters.
    private static let lengthLimit = 64
    /// One letter of so many may be wrong.
    private static let lettersPerMistake = 3

    /// The one of `known` that is so like `name` that nothing else can be meant; `nil` where none is.
    ///
    /// Capitals, hyphens and underscores make no difference. Of a name with levels, as in `limits.memory`, the innermost
    /// alone may be what was meant.
    package static func nearest(to name: String, among known: [String]) -> String? {
        let best = known.map { (name: $0, distance: distance(from: name, to: $0)) }
            .min { $0.distance < $1.distance }
        guard let best, best.distance <= max(1, letters(innermost(name)).count / lettersPerMistake) else {
            return nil
        }
        return best.name
    }

    /// How many letters are wrong in a name, if it is to be a known one.
    package static func distance(from name: String, to known: String) -> Int {
        let whole = distance(letters(name), letters(known))
        guard name.contains(".") || known.contains(".") else { return whole }
        return min(whole, distance(letters(innermost(name)), letters(innermost(known))))
    }

    private static func innermost(_ name: String) -> String { String(name.split(separator: ".").last ?? "") }

    private static func letters(_ name: String) -> [Character] {
        Array(name.lowercased().filter { $0 != "_" && $0 != "-" }.prefix(lengthLimit))
    }

    /// How many letters to put in, take out, exchange, or swap with their neighbour.
    private static func distance(_ first: [Character], _ second: [Character]) -> Int {
        var rows = [Array(0...second.count)]
        for (row, letter) in first.enumerated() {
            let above = rows[row]
            var line = [row + 1]
            for (column, other) in second.enumerated() {
                var best = min(above[column + 1] + 1, line[column] + 1)
                best = min(best, above[column] + (letter == other ? 0 : 1))
                if row > 0, column > 0, letter == second[column - 1], other == first[row - 1] {
                    best = min(best, rows[row - 1][column - 1] + 1)
                }
                line.append(best)
            }
            rows.append(line)
        }
        return rows[first.count][second.count]
    }
}
