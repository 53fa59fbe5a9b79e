internal import FoundationEssentials
internal import Watching

extension StatusReport {
    /// What the processes have answered, as `cway status --json` prints it.
    ///
    /// One that does not answer has nothing but `process`, with its role and number, and `failure`.
    static func json(of answers: [StatusClient.Answer]) throws -> String {
        struct Silent: Encodable {
            struct Process: Encodable {
                let role: String
                let id: Int32
            }
            let process: Process
            let failure: String
        }
        enum Entry: Encodable {
            case report(StatusReport)
            case silent(Silent)

            func encode(to encoder: any Encoder) throws {
                switch self {
                case .report(let report): try report.encode(to: encoder)
                case .silent(let silent): try silent.encode(to: encoder)
                }
            }
        }
        let entries = answers.map { answer -> Entry in
            switch answer {
            case .report(let report): .report(report)
            case .failure(let socket, let failure):
                .silent(Silent(process: .init(role: socket.role, id: socket.process), failure: "\(failure)"))
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(["processes": entries]), as: UTF8.self)
    }
}
