export class MmState {}
