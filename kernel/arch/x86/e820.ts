export class E820State {}
