internal import BoxStream
internal import Foundation

/// Where and when a run was, as far as the system tells.
struct Machine: Codable, Sendable {
    /// The date and time, in UTC.
    var date: String
    /// The processor.
    var processor: String
    /// What seals and opens boxes on it, of what it has.
    var cipher: String
    /// How many of its cores are ours.
    var coreCount: Int
    /// The system.
    var system: String
    /// How many tasks wanted to run during the last minute; what is above 0 at the start disturbs.
    var load: Double

    /// This machine, now.
    static var current: Machine {
        Machine(
            date: Date.now.formatted(.iso8601),
            processor: field("model name", in: "/proc/cpuinfo") ?? "unknown processor",
            cipher: "\(CipherChoice.name) of \(CipherChoice.availableNames.joined(separator: ", "))",
            coreCount: ProcessInfo.processInfo.activeProcessorCount,
            system: ProcessInfo.processInfo.operatingSystemVersionString,
            load: words(of: "/proc/loadavg").first.flatMap { Double($0) } ?? 0)
    }

    /// The line above the tables.
    var line: String {
        "\(date), \(processor), cipher \(cipher), \(coreCount) cores, \(system), load \(Figure.text(load)) at the start"
    }

    private static func words(of path: String) -> [Substring] {
        ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: " ")
    }

    private static func field(_ name: String, in path: String) -> String? {
        let lines = ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix(name) }) else { return nil }
        return line.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
    }
}
