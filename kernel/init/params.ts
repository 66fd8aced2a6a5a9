export class CommandLine {}
