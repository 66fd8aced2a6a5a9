// What nasm makes of reset_stub.asm, kept here so that an engine can be reset where nasm is not.

/** Where the stub runs; it uses the memory from `start` to `end` and the engine's caller puts back what was there. */
export const resetStub = {
  start: 0x1000,
  end: 0x7000,
  entry: 0x6000,
  /** CS at its end. */
  finalSelector: 0x600,
  code: Buffer.from(
    '0f0115c1000000fcbf0010000031c0b9000c0000f3abc704250010000003200000c704250020000003300000c7042500' +
      '30000083000000b8200000000f22e0b8001000000f22d8b8110000800f22c0bc007000006a08685d60000048cbb81000' +
      '8ed88ec08ed08ee08ee866b8110000600f22c066b9800000c06631c06631d20f300f22e00f22d866b8100000600f22c0' +
      '0f011ea860ea9a00000631c08ed88ec08ed08ee08ee8f490ff030000000090900000000000000000ffff0000009a0000' +
      'ffff0000009200001700b060000000000000',
    'hex',
  ),
} as const;
