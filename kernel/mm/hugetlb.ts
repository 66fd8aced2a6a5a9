export class HugetlbState {}
