export class CpuState {}
