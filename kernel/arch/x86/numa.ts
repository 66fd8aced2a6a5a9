export class NumaState {}
