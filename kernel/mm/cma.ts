export class CmaState {}
