export class SwiotlbState {}
