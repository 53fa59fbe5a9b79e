import Commands

await CwayCommand.runToExit()
