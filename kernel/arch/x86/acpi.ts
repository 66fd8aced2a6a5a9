export class AcpiState {}
