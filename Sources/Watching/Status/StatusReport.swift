/// What a process that runs from a home says of itself: the parts that every role has, and one for its role.
///
/// The field names are an interface, described in docs/operations.md: fields are added, and none changes its meaning.
package struct StatusReport: Codable, Equatable, Sendable {
    /// What the process is.
    package var process: ProcessReport
    /// Of a portal.
    package var portal: PortalReport?
    /// Of `cway serve` and `cway connect`.
    package var node: NodeReport?
    /// Of a portal that is one of several machines.
    package var cluster: ClusterReport?
    /// What went wrong lately, the newest first.
    package var errors: [ErrorReport]

    /// A report of that process.
    package init(process: ProcessReport, errors: [ErrorReport] = []) {
        self.process = process
        self.errors = errors
    }
}

/// What runs, since when, and what it takes of the machine.
package struct ProcessReport: Codable, Equatable, Sendable {
    /// `portal`, `serve` or `connect`.
    package var role: String
    /// The process's number.
    package var id: Int32
    /// Which version it is.
    package var version: String
    /// When it began, in Unix seconds.
    package var since: UInt64
    /// What it has of the machine's memory, in bytes; 0 where the system does not tell.
    package var memoryByteCount: Int
    /// How many descriptors are open.
    package var descriptorCount: Int
    /// How many may be.
    package var descriptorLimit: Int
    /// What each event loop does.
    package var loops: [LoopReport]

    /// These facts.
    package init(
        role: String, id: Int32, version: String, since: UInt64, memoryByteCount: Int, descriptorCount: Int,
        descriptorLimit: Int, loops: [LoopReport] = []
    ) {
        self.role = role
        self.id = id
        self.version = version
        self.since = since
        self.memoryByteCount = memoryByteCount
        self.descriptorCount = descriptorCount
        self.descriptorLimit = descriptorLimit
        self.loops = loops
    }
}

/// How busy an event loop was in the last ten seconds.
package struct LoopReport: Codable, Equatable, Sendable {
    /// Its share of a core, from 0 to 1.
    package var load: Double
    /// How long what was given to it waited at most, in milliseconds.
    package var longestDelayMilliseconds: Double

    /// These figures.
    package init(load: Double, longestDelayMilliseconds: Double) {
        self.load = load
        self.longestDelayMilliseconds = longestDelayMilliseconds
    }
}

/// Something that went wrong, with what to do about it where that is known.
package struct ErrorReport: Codable, Equatable, Sendable {
    /// When it was last so, in Unix seconds.
    package var at: UInt64
    /// How bad it is: a level of the log.
    package var level: String
    /// What happened, in words.
    package var text: String
    /// What to do about it.
    package var remedy: String?
    /// How often it was so, one after the other.
    package var count: Int

    /// An error.
    package init(at: UInt64, level: String, text: String, remedy: String?, count: Int) {
        self.at = at
        self.level = level
        self.text = text
        self.remedy = remedy
        self.count = count
    }
}

/// Why something does not work, and since when.
package struct FailureReport: Codable, Equatable, Sendable {
    /// When it last failed, in Unix seconds.
    package var at: UInt64
    /// The cause and the remedy.
    package var text: String

    /// A failure.
    package init(at: UInt64, text: String) {
        self.at = at
        self.text = text
    }
}
