import Commands

CwayCommand.prepareProcess()
await CwayCommand.runToExit()
