/// What is done to install or remove a unit, step by step: the same steps are shown, or taken.
package struct ServicePlan: Equatable, Sendable {
    /// One thing that is done.
    package enum Step: Equatable, Sendable {
        /// A file is written, in the place of what is there.
        case write(path: String, text: String)
        /// A file is removed.
        case remove(path: String)
        /// A program is run.
        case run([String])
    }

    /// What is to be installed.
    package struct Wish: Equatable, Sendable {
        /// The unit.
        package var unit: ServiceUnit
        /// The name of a friend's port; only there.
        package var instance: String?
        /// What a portal's socket listens on; `nil` for what there is, 8008 at first.
        package var listen: [String]?
        /// More words for the command line; `nil` for those that there are.
        package var arguments: [String]?

        /// A unit as it is, for a port of a friend with a name.
        package init(_ unit: ServiceUnit, instance: String? = nil) {
            (self.unit, self.instance) = (unit, instance)
        }
    }

    /// What a plan depends on, as it is at the moment.
    package struct Surroundings: Sendable {
        /// Where units are written that nobody has packaged.
        package var unitFolder: String
        /// Where packages put theirs.
        package var packagedFolder: String
        /// The folder of settings that `%E` means.
        package var settingsFolder: String
        /// Whether the machine has the user who runs the machine's units.
        package var hasSystemUser: Bool
        /// The text of a file; `nil` where none is.
        package var contents: @Sendable (String) -> String?

        /// These.
        package init(
            unitFolder: String, packagedFolder: String, settingsFolder: String, hasSystemUser: Bool,
            contents: @escaping @Sendable (String) -> String?
        ) {
            (self.unitFolder, self.packagedFolder) = (unitFolder, packagedFolder)
            (self.settingsFolder, self.hasSystemUser) = (settingsFolder, hasSystemUser)
            self.contents = contents
        }
    }

    /// Why there is no plan.
    package enum Refusal: Error, Equatable, CustomStringConvertible {
        /// A unit of another's making is there.
        case foreign(path: String)
        /// A word would be more than one to systemd, or another.
        case badWord(String)

        /// The cause, and what to do about it, in a sentence for people.
        package var description: String {
            switch self {
            case .foreign(let path):
                "\(path) was not made by this program: move it away first, or change it by `systemctl edit`"
            case .badWord(let word):
                "'\(word)' cannot stand in a unit, where spaces, quotes, $, % and \\ mean something: write it into "
                    + "config.json (`cway settings`)"
            }
        }
    }

    /// The steps in their order.
    package let steps: [Step]

    // MARK: Plans

    /// Has a unit run now and whenever its manager starts.
    ///
    /// - Throws: ``Refusal``.
    package static func install(_ wish: Wish, in surroundings: Surroundings) throws(Refusal) -> ServicePlan {
        let unit = wish.unit
        var steps: [Step] = []
        if unit.scope == .system, !surroundings.hasSystemUser {
            let path = "/etc/sysusers.d/companionway.conf"
            steps += [
                .write(path: path, text: ServiceUnit.systemUserText), .run(["systemd-sysusers", path]),
            ]
        }
        let settings = "\(surroundings.settingsFolder)/\(ServiceUnit.portalSettings)"
        if unit.hasSettingsOfMachine, surroundings.contents(settings) == nil {
            steps.append(.write(path: settings, text: "{}\n"))
        }
        for file in unit.files() {
            let packaged = surroundings.contents("\(surroundings.packagedFolder)/\(file.name)")
            // A package's own is as good, where it says the same.
            if packaged == file.text { continue }
            try surroundings.requireOurs("\(surroundings.unitFolder)/\(file.name)")
            steps.append(.write(path: "\(surroundings.unitFolder)/\(file.name)", text: file.text))
        }
        if let listen = wish.listen, let socket = unit.socketName {
            for word in listen { try require(word) }
            let text = (["[Socket]", "ListenStream="] + listen.map { "ListenStream=\($0)" }).joined(
                separator: "\n")
            steps.append(
                .write(
                    path: "\(surroundings.unitFolder)/\(socket).d/listen.conf",
                    text: "# \(ServiceUnit.File.mark)\n\(text)\n"))
        }
        if let arguments = wish.arguments {
            for word in arguments { try require(word) }
            steps.append(
                .write(
                    path: "\(surroundings.settingsFolder)/\(unit.argumentsFileName(of: wish.instance))",
                    text: "# \(ServiceUnit.File.mark)\nARGUMENTS=\(arguments.joined(separator: " "))\n"))
        }
        let names = [unit.socketName, unit.name(of: wish.instance)].compactMap(\.self)
        steps.append(.run(unit.control(["daemon-reload"])))
        if wish.listen == nil, wish.arguments == nil {
            steps.append(.run(unit.control(["enable", "--now"] + names)))
        } else {
            // What runs already has its former port and words; both at once, for a socket in use cannot be changed.
            steps += [.run(unit.control(["enable"] + names)), .run(unit.control(["restart"] + names))]
        }
        return ServicePlan(steps: steps)
    }

    /// Stops a unit, and leaves nothing of what was installed; the home folder stays.
    package static func remove(_ wish: Wish, in surroundings: Surroundings) -> ServicePlan {
        let unit = wish.unit
        let names = [unit.socketName, unit.name(of: wish.instance)].compactMap(\.self)
        var steps: [Step] = [.run(unit.control(["disable", "--now"] + names))]
        var paths = ["\(surroundings.settingsFolder)/\(unit.argumentsFileName(of: wish.instance))"]
        // The template may stand for other ports.
        if wish.instance == nil || unit.role != .connect {
            paths += unit.files().map { "\(surroundings.unitFolder)/\($0.name)" }
            if let socket = unit.socketName {
                paths.append("\(surroundings.unitFolder)/\(socket).d/listen.conf")
            }
        }
        steps += paths.filter(surroundings.isOurs).map { .remove(path: $0) }
        return ServicePlan(steps: steps + [.run(unit.control(["daemon-reload"]))])
    }

    private static func require(_ word: String) throws(Refusal) {
        let isPlain = word.utf8.allSatisfy { (0x21..<0x7F).contains($0) && !"\"'$%\\#;".utf8.contains($0) }
        guard isPlain, !word.isEmpty else { throw .badWord(word) }
    }
}

extension ServicePlan.Surroundings {
    fileprivate func isOurs(_ path: String) -> Bool { contents(path).map(ServiceUnit.File.isOurs) == true }

    fileprivate func requireOurs(_ path: String) throws(ServicePlan.Refusal) {
        guard contents(path) == nil || isOurs(path) else { throw .foreign(path: path) }
    }
}
