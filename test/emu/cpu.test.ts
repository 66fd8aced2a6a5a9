import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EngineError } from '../../emu/engine.ts';
import { type GuestException, GuestFault } from '../../emu/fault.ts';
import { createMachine, type Machine } from '../../emu/machine.ts';
import type { PhysicalMemory } from '../../emu/memory.ts';
import { resetStub } from '../../emu/reset_stub.ts';
import { UnicornEngine } from '../../emu/unicorn/engine.ts';
import { unicornLibrary } from '../../emu/unicorn/library.ts';
import { assemble, assembleFile } from '../support/asm.ts';

const MiB = 0x100000;
const GiB = 0x40000000;
const IF = 0x200n;

//  0          0xfffff 1 MiB            64 MiB          4 GiB - 64 KiB   4 GiB
//  |---- RAM -------------------------|     hole     ...     |--- ROM ----|
let machine: Machine;
let serial = '';

beforeAll(() => {
  machine = createMachine({
    ram: [{ start: 0, end: 64 * MiB }],
    backend: 'unicorn',
    onSerial: (character) => {
      serial += character;
    },
  });
});
afterAll(() => machine.close());
beforeEach(() => {
  serial = '';
  cpu().onException = null;
  machine.ram.fill(0, MiB, 0);
});

function cpu() {
  if (machine.cpu === null) throw new Error('no CPU');
  return machine.cpu;
}

const put = (at: number, source: string, bits: 16 | 32 | 64) => machine.ram.write(at, assemble(source, at, bits));

/** The ROM's reset vector jumps to `target`, a far address in nasm's words. */
const resetTo = (target: string) => {
  machine.ram.program(4 * GiB - 16, assemble(`jmp ${target}`, 0xfff0, 16));
  cpu().reset();
};

/** Page tables with 4 KiB pages, made from `next` upwards. */
function pageTables(ram: PhysicalMemory, next: number) {
  const table = () => {
    next += 4096;
    ram.fill(next - 4096, 4096, 0);
    return next - 4096;
  };
  const cr3 = table();
  const entry = (va: bigint) => {
    let level = cr3;
    for (const shift of [39n, 30n, 21n]) {
      const slot = level + Number((va >> shift) & 511n) * 8;
      if (ram.u64(slot) === 0) ram.set_u64(slot, table() | 7);
      level = Math.floor(ram.u64(slot) / 4096) * 4096;
    }
    return level + Number((va >> 12n) & 511n) * 8;
  };
  return { cr3, entry, map: (va: bigint, entryBits: bigint) => ram.set_big64(entry(va), entryBits) };
}

function faultOf(run: () => unknown): GuestFault {
  try {
    run();
  } catch (error) {
    if (error instanceof GuestFault) return error;
    throw error;
  }
  throw new Error('no fault');
}

describe('reset', () => {
  test('the stub is what nasm makes of its source', () => {
    expect(Buffer.from(assembleFile('emu/reset_stub.asm')).toString('hex')).toBe(resetStub.code.toString('hex'));
  });

  test('the CPU is in real mode at F000:FFF0, at the top of the first 4 GiB, and RAM is untouched', () => {
    machine.ram.fill(0, MiB, 0x5a);
    cpu().reset();
    expect(cpu().inRealMode).toBe(true);
    expect(cpu().codeSegment).toEqual({ selector: 0xf000, base: 0xffff0000 });
    expect(cpu().get('rip')).toBe(0xfff0n);
    expect(cpu().get('cr0')).toBe(0x60000010n);
    expect(cpu().get('rflags')).toBe(2n);
    expect(machine.ram.read(0, MiB).every((byte) => byte === 0x5a)).toBe(true);
  });

  test('addresses are real mode’s: segment times 16 plus offset, wrapping in 64 KiB', () => {
    resetTo('0:0x7c00');
    put(
      0x7c00,
      `mov ax, 0x1234
       mov ds, ax
       mov byte [0x0005], 0x77
       mov byte [0xffff], 0x78
       mov ax, 0xffff
       mov es, ax
       mov byte [es:0x10], 0x79
       mov bx, cs
       mov ecx, 0x12345678
       hlt`,
      16,
    );
    expect(cpu().run()).toBe('halted');
    expect([0x12345, 0x2233f, 0x100000].map((pa) => machine.ram.u8(pa))).toEqual([0x77, 0x78, 0x79]);
    expect(cpu().get('rbx')).toBe(0n);
    expect(cpu().get('rcx')).toBe(0x12345678n);
  });

  test('guest code goes from the reset vector through protected to long mode, and reset leads back', () => {
    resetTo('0:0x7c00');
    put(
      0x7c00,
      `        lgdt [gdtr]
              mov eax, 1
              mov cr0, eax
              jmp 8:p32
              bits 32
      p32:    mov ax, 24
              mov ds, ax
              mov es, ax
              mov ss, ax
              mov dx, 0x3f8
              mov al, 'P'
              out dx, al
              mov dword [0x10000], 0x11003
              mov dword [0x11000], 0x12003
              mov dword [0x12000], 0x83
              mov eax, 0x20
              mov cr4, eax
              mov eax, 0x10000
              mov cr3, eax
              mov ecx, 0xc0000080
              rdmsr
              or eax, 0x100
              wrmsr
              mov eax, 0x80000001
              mov cr0, eax
              jmp 16:p64
              bits 64
      p64:    mov dx, 0x3f8
              mov al, 'L'
              out dx, al
              mov rax, 0x123456789abcdef0
              mov [rel value], rax
              hlt
              align 8
      value:  dq 0
      gdt:    dq 0, 0x00cf9a000000ffff, 0x00209a0000000000, 0x00cf92000000ffff
      gdtr:   dw 31
              dd gdt`,
      16,
    );
    for (let i = 0; i < 3; i++) {
      expect(cpu().run()).toBe('halted');
      expect(cpu().get('rax')).toBe(0x123456789abcdef0n);
      expect(cpu().inRealMode).toBe(false);
      cpu().reset();
      expect(cpu().inRealMode).toBe(true);
    }
    expect(serial).toBe('PLPLPL');
  });
});

describe('interrupts in real mode', () => {
  const handler = (body: string) =>
    put(
      0x5000,
      `push bp
       mov bp, sp
       ${body}
       pop bp
       iret`,
      16,
    );
  const vector = (no: number, target: number) => machine.ram.set_u32(no * 4, target);

  test.each([
    ['0000', 0x0000, 0x7c00],
    ['07c0', 0x07c0, 0x0100],
    ['1234', 0x1234, 0x0000],
    ['9fc0', 0x9fc0, 0xfff0 - 0x20],
    ['f000', 0xf000, 0xe000],
  ])('INT n goes through the table and IRET comes back to CS %s', (_name, cs, ip) => {
    resetTo(`0x${cs.toString(16)}:0x${ip.toString(16)}`);
    vector(0x15, 0x00500000); // 0050:0000
    machine.ram.write(
      0x500,
      assemble(
        `push bp
         mov bp, sp
         mov cx, [bp + 2]
         mov si, [bp + 4]
         mov di, [bp + 6]
         or word [bp + 6], 1
         pushf
         pop bx
         mov dx, cs
         pop bp
         iret`,
        0,
        16,
      ),
    );
    machine.ram.write(
      cs * 16 + ip,
      assemble(
        `mov ax, 0x2000
         mov ss, ax
         mov sp, 0x1000
         sti
         clc
         int 0x15
      .r: sbb ax, ax
         hlt`,
        ip,
        16,
      ),
    );
    expect(cpu().run()).toBe('halted');
    const returnIp = ip + 12;
    expect([cpu().get('rcx'), cpu().get('rsi')].map(Number)).toEqual([returnIp, cs]);
    expect(cpu().get('rdi') & (IF | 1n)).toBe(IF);
    expect(cpu().get('rbx') & IF).toBe(0n);
    expect(cpu().get('rdx')).toBe(0x50n);
    expect(cpu().get('rax') & 0xffffn).toBe(0xffffn); // the carry that the handler put into the stacked FLAGS
    expect(cpu().get('rflags') & IF).toBe(IF);
    expect(cpu().get('rsp')).toBe(0x1000n);
    expect([machine.ram.u16(0x20ffa), machine.ram.u16(0x20ffc)]).toEqual([returnIp, cs]);
  });

  test('interrupts nest, 10,000 of them, with the registers of the handler', () => {
    resetTo('0:0x7c00');
    vector(0x40, 0x5000);
    vector(0x41, 0x6000);
    handler('int 0x41');
    put(0x6000, 'inc ebx\n iret', 16);
    put(0x7c00, 'mov sp, 0x7c00\n mov cx, 5000\n.l: int 0x40\n loop .l\n hlt', 16);
    cpu().run();
    expect(cpu().get('rbx')).toBe(5000n);
    expect(cpu().get('rsp')).toBe(0x7c00n);
  });

  test('a stack pointer of 0 wraps within its segment', () => {
    resetTo('0:0x7c00');
    vector(0x40, 0x5000);
    put(0x5000, 'mov bx, sp\n iret', 16);
    put(0x7c00, 'mov ax, 0x3000\n mov ss, ax\n xor esp, esp\n int 0x40\n hlt', 16);
    cpu().run();
    expect(cpu().get('rbx')).toBe(0xfffan);
    expect(machine.ram.u16(0x3fffc)).toBe(0);
    expect(machine.ram.u16(0x3fffa)).toBe(0x7c0a);
  });

  test('an exception takes its vector with IP at the instruction', () => {
    resetTo('0:0x7c00');
    vector(0, 0x5000);
    handler('mov si, [bp + 2]\n add word [bp + 2], 2');
    put(0x7c00, 'mov sp, 0x7c00\n xor cx, cx\n div cx\n mov di, 1\n hlt', 16);
    cpu().run();
    expect(cpu().get('rsi')).toBe(0x7c05n);
    expect(cpu().get('rdi')).toBe(1n);
  });

  test('a vector that nobody set is a fault', () => {
    resetTo('0:0x7c00');
    put(0x7c00, 'mov sp, 0x7c00\n int 0x60\n hlt', 16);
    expect(faultOf(() => cpu().run())).toMatchObject({ vector: 0x60, software: true, rip: 0x7c05n });
  });
});

describe('64-bit code', () => {
  const DATA = 0x7f0000000000n;
  const NX = 1n << 63n;
  let tables: ReturnType<typeof pageTables>;
  const call = (source: string, registers = {}) => {
    put(0x10000, source, 64);
    return cpu().call({ rip: 0x10000n, rsp: 0x20000n, cr3: tables.cr3, registers });
  };
  beforeEach(() => {
    tables = pageTables(machine.ram, 4 * MiB);
    for (let pa = 0n; pa < 0x30000n; pa += 4096n) tables.map(pa, pa | 7n);
  });

  test('call() hands over registers and returns RAX at HLT', () => {
    const sum =
      'mov rax, rbx\n add rax, rcx\n add rax, rdx\n add rax, rsi\n add rax, rdi\n add rax, r8\n push rax\n hlt';
    expect(call(sum, { rbx: 1n << 63n, rcx: 2n, rdx: 3n, rsi: 4n, rdi: 5n })).toBe((1n << 63n) + 14n);
    expect(machine.ram.big64(0x20000 - 8)).toBe((1n << 63n) + 14n);
  });

  test('call() translates addresses in the upper half by the tables in RAM, and sees the code as it is now', () => {
    const va = 0xffff888000123000n;
    tables.map(va, 0x200003n);
    for (const value of [1n, 2n]) {
      machine.ram.write(0x200000, assemble(`mov eax, ${value}\n mov [rel here], rax\n hlt\n here: dq 0`, va, 64));
      expect(cpu().call({ rip: va, rsp: 0x20000n, cr3: tables.cr3 })).toBe(value);
      expect(machine.ram.read(0x200000, 64).includes(0xf4)).toBe(true);
    }
  });

  test('call() leaves the CPU as it found it, after a fault too', () => {
    resetTo('0:0x7c00');
    put(0x7c00, 'mov eax, 1\n hlt\n inc eax\n mov bx, cs\n hlt', 16);
    cpu().run();
    expect(call('mov eax, 99\n hlt')).toBe(99n);
    expect(() => call('mov rax, [0x400000]\n hlt')).toThrow(GuestFault);
    expect(cpu().inRealMode).toBe(true);
    expect(cpu().run()).toBe('halted');
    expect([cpu().get('rax'), cpu().get('rbx')]).toEqual([2n, 0n]);
  });

  test('more code than the engine has room to keep translated runs to its end, again and again', () => {
    // Each jump ends a translated block, and a block takes more than 100 bytes of the 4 MiB.
    const blocks = 40_000;
    for (let pa = 0n; pa < 0x40000n; pa += 4096n) tables.map(DATA + pa, (pa + 0x1000000n) | 3n);
    const code = new Uint8Array(5 * blocks + 1).fill(0xf4);
    for (let i = 0; i < blocks; i++) code.set([0x48, 0xff, 0xc0, 0xeb, 0x00], 5 * i); // inc rax; jmp to the next
    machine.ram.write(0x1000000, code);
    for (let i = 0; i < 2; i++) {
      expect(cpu().call({ rip: DATA, rsp: 0n, cr3: tables.cr3 })).toBe(BigInt(blocks));
    }
  });

  test('SSE works', () => {
    expect(call('movq xmm0, rdi\n paddq xmm0, xmm0\n movq rax, xmm0\n hlt', { rdi: 21n })).toBe(42n);
  });

  test.each([
    ['a read of nothing', 'mov rax, [rdi]', 0n, 0x0],
    ['a write to nothing', 'mov [rdi], rax', 0n, 0x2],
    ['a write to a read-only page', 'mov [rdi], rax', 0x200001n, 0x3],
    ['a fetch of nothing', 'jmp rdi', 0n, 0x10],
    ['a fetch from a page that is not code', 'jmp rdi', 0x200003n | NX, 0x11],
    ['a read through a reserved bit', 'mov rax, [rdi]', 0x200003n | (1n << 45n), 0x9],
  ])('a page fault that nobody mends ends the run: %s', (_name, instruction, bits, errorCode) => {
    tables.map(DATA, bits);
    const fault = faultOf(() => call(`nop\n ${instruction}\n hlt`, { rdi: DATA + 0x18n }));
    expect(fault).toMatchObject({ vector: 14, software: false, errorCode, address: DATA + 0x18n });
    expect(fault.rip).toBe(instruction.startsWith('jmp') ? DATA + 0x18n : 0x10001n);
    expect(fault.message).toContain(`page fault (vector 14)`);
    expect(fault.message).toContain('address 0x7f0000000018');
  });

  test('10,000 page faults: 5,000 pages not there, then 5,000 read-only, each mended and retried', () => {
    const pages = 5000;
    const faults: GuestException[] = [];
    cpu().onException = (exception) => {
      faults.push(exception);
      const page = exception.address & ~0xfffn;
      tables.map(page, 0x600001n | (exception.errorCode === 0 ? 0n : 2n));
      return exception.vector === 14 && faults.length <= 2 * pages;
    };
    tables.entry(DATA);
    const source = `.l: mov rax, [rdi + 8]
       mov [rdi + 16], rcx
       add rdi, 4096
       dec ecx
       jnz .l
       mov rax, rdi
       hlt`;
    expect(call(source, { rdi: DATA, rcx: BigInt(pages) })).toBe(DATA + BigInt(pages) * 4096n);
    expect(faults.length).toBe(2 * pages);
    for (const [i, fault] of faults.entries()) {
      const page = DATA + BigInt(i >> 1) * 4096n;
      const want =
        i % 2 === 0
          ? { vector: 14, software: false, errorCode: 0, address: page + 8n, rip: 0x10000n }
          : { vector: 14, software: false, errorCode: 3, address: page + 16n, rip: 0x10004n };
      if (fault.address !== want.address || fault.errorCode !== want.errorCode) expect(fault).toEqual(want);
    }
    expect(faults.at(-1)).toMatchObject({ vector: 14, software: false, errorCode: 3, rip: 0x10004n });
  });

  test('ring 3: its page faults carry the user bit, and privileged instructions fault', () => {
    put(0x12000, 'mov rax, [rdi]\n mov [rdi], rax\n cli\n hlt', 64);
    tables.map(DATA, 0n);
    const seen: string[] = [];
    cpu().onException = ({ vector, errorCode, rip }) => {
      seen.push(`${vector}:${errorCode} ${rip.toString(16)}`);
      if (errorCode === 4) tables.map(DATA, 0x200005n);
      else if (errorCode === 7) tables.map(DATA, 0x200007n);
      return vector === 14 && seen.length < 3;
    };
    const enter = `lgdt [rel gdtr]
       push 0x1b
       push 0x1f000
       push 0x2
       push 0x13
       push 0x12000
       iretq
       align 8
       gdt: dq 0, 0x00209a0000000000, 0x0020fa0000000000, 0x0000f20000000000
       gdtr: dw 31
       dq gdt`;
    expect(faultOf(() => call(enter, { rdi: DATA }))).toMatchObject({ vector: 13, rip: 0x12006n });
    expect(seen).toEqual(['14:4 12000', '14:7 12003', '13:0 12006']);
  });

  test.each([
    ['an undefined instruction', 'ud2', { vector: 6, rip: 0x10001n }],
    ['a division by zero', 'xor ecx, ecx\n div ecx', { vector: 0, rip: 0x10003n }],
    ['a general protection fault', 'mov eax, 0x30\n mov ds, eax', { vector: 13, errorCode: 0x30 }],
    ['INT n that nobody handles', 'int 0x80', { vector: 0x80, software: true, rip: 0x10003n }],
  ])('%s ends the run', (_name, source, want) => {
    expect(faultOf(() => call(`nop\n ${source}\n hlt`))).toMatchObject(want);
  });

  test('INT n that is handled goes on after it', () => {
    cpu().onException = ({ vector, software }) => {
      cpu().set('rax', BigInt(vector ?? 0));
      return software;
    };
    expect(call('int 0x80\n inc rax\n hlt')).toBe(0x81n);
  });

  test('a jump to address 0 is a fault even where a page is', () => {
    expect(faultOf(() => call('xor eax, eax\n jmp rax')).message).toContain('jump to address 0');
  });

  test('physical addresses without memory, and writes to ROM, are named', () => {
    tables.map(DATA, 0x80000003n);
    tables.map(DATA + 4096n, 0xffff0003n);
    expect(faultOf(() => call('mov eax, [rdi + 8]\n hlt', { rdi: DATA })).message).toContain(
      'read of physical address 0x80000008',
    );
    expect(faultOf(() => call('mov [rdi + 8], eax\n hlt', { rdi: DATA })).message).toContain(
      'write of physical address 0x80000008',
    );
    const rom = faultOf(() => call('mov eax, [rdi]\n mov [rdi], eax\n hlt', { rdi: DATA + 4096n }));
    expect(rom).toMatchObject({ vector: null, address: 0xffff0000n });
    expect(rom.message).toContain('write of physical address 0xffff0000');
  });

  test('TypeScript and guest see each other’s writes, also of page tables, without a flush', () => {
    tables.map(DATA, 0x200003n);
    machine.ram.set_big64(0x200000, 0xdeadbeefcafef00dn);
    machine.ram.set_u32(0x201000, 7);
    expect(call('mov rax, [rdi]\n hlt', { rdi: DATA })).toBe(0xdeadbeefcafef00dn);
    tables.map(DATA, 0x201003n);
    expect(call('mov eax, [rdi]\n inc dword [rdi]\n hlt', { rdi: DATA })).toBe(7n);
    expect(machine.ram.u32(0x201000)).toBe(8);
    expect(machine.ram.u32(tables.entry(DATA)) & 0x60).toBe(0x60); // accessed, dirty
  });
});

describe('ports and halting', () => {
  test('IN and OUT reach the devices in their sizes', () => {
    const log: string[] = [];
    machine.ports.claim(0x5000, 4, {
      name: 'recorder',
      read: (port, size) => {
        log.push(`in ${port.toString(16)} ${size}`);
        return 0x89abcdef;
      },
      write: (port, size, value) => {
        log.push(`out ${port.toString(16)} ${size} ${value.toString(16)}`);
      },
    });
    resetTo('0:0x7c00');
    put(
      0x7c00,
      `mov dx, 0x5000
       mov eax, 0x11223344
       in al, dx
       mov ebx, eax
       in ax, dx
       mov ecx, eax
       in eax, dx
       out dx, al
       inc dx
       out dx, ax
       out dx, eax
       hlt`,
      16,
    );
    cpu().run();
    expect([cpu().get('rbx'), cpu().get('rcx'), cpu().get('rax')]).toEqual([0x112233efn, 0x1122cdefn, 0x89abcdefn]);
    expect(log).toEqual([
      'in 5000 1',
      'in 5000 2',
      'in 5000 4',
      'out 5000 1 ef',
      'out 5001 2 cdef',
      'out 5001 4 89abcdef',
    ]);
  });

  test('HLT ends a run with RIP after it, and the next run goes on there', () => {
    resetTo('0:0x7c00');
    put(0x7c00, 'inc eax\n hlt\n inc eax\n hlt', 16);
    expect(cpu().run()).toBe('halted');
    expect(cpu().get('rip')).toBe(0x7c03n);
    cpu().run();
    expect(cpu().get('rax')).toBe(2n);
  });

  test('an error in a device stops an endless guest and comes out of run(); no device is called after it', () => {
    let calls = 0;
    machine.ports.claim(0x6000, 1, {
      name: 'broken',
      read: () => 0,
      write: () => {
        calls++;
        throw new RangeError('device on fire');
      },
    });
    resetTo('0:0x7c00');
    put(0x7c00, 'mov dx, 0x6000\n.l: out dx, al\n out dx, al\n jmp .l', 16);
    expect(() => cpu().run()).toThrow(new RangeError('device on fire'));
    expect(calls).toBe(1);
  });

  test('an error in onException comes out of run()', () => {
    cpu().onException = () => {
      throw new RangeError('kernel on fire');
    };
    const { cr3, map } = pageTables(machine.ram, 4 * MiB);
    map(0x10000n, 0x10003n);
    put(0x10000, '.l: int 0x80\n jmp .l', 64);
    expect(() => cpu().call({ rip: 0x10000n, rsp: 0n, cr3 })).toThrow(new RangeError('kernel on fire'));
  });
});

describe('the machine', () => {
  test('power-off and reset stop the CPU, and a reset shows the ROM’s end in the BIOS’s segment again', () => {
    const pc = createMachine({ ram: [{ start: 0, end: MiB }], backend: 'unicorn' });
    pc.ram.program(4 * GiB - 16, assemble('jmp 0xf000:0xe000', 0xfff0, 16));
    const bios = (source: string) => pc.ram.program(4 * GiB - 0x2000, assemble(source, 0xe000, 16));
    bios('mov dx, 0xcf9\n mov al, 6\n mov byte [cs:0xe000], 0xf4\n out dx, al\n.l: jmp .l');
    for (let i = 0; i < 2; i++) {
      pc.reset();
      expect([pc.resetRequested, pc.poweredOff]).toEqual([false, false]);
      expect(pc.cpu?.run()).toBe('stopped');
      expect([pc.resetRequested, pc.poweredOff]).toEqual([true, false]);
      expect(pc.ram.u8(0xfe000)).toBe(0xf4);
    }
    bios('mov dx, 0x604\n mov ax, 0x2000\n out dx, ax\n.l: jmp .l');
    pc.reset();
    expect(pc.cpu?.run()).toBe('stopped');
    expect([pc.resetRequested, pc.poweredOff]).toEqual([false, true]);
    pc.close();
  });

  test('1 TiB: the guest reaches the last page, nothing else becomes resident; one page more is refused', () => {
    const TiB = 0x10000000000;
    const ram = (end: number) => [
      { start: 0, end: 3 * GiB },
      { start: 4 * GiB, end },
    ];
    const before = process.memoryUsage.rss();
    const big = createMachine({ ram: ram(TiB), backend: 'unicorn' });
    const { cr3, map } = pageTables(big.ram, MiB);
    map(0x10000n, 0x10003n);
    map(0x20000n, BigInt(TiB - 4096) | 3n);
    big.ram.write(0x10000, assemble('mov rax, [0x20000]\n inc rax\n mov [0x20ff8], rax\n hlt', 0x10000, 64));
    big.ram.set_u64(TiB - 4096, 41);
    expect(big.cpu?.call({ rip: 0x10000n, rsp: 0n, cr3 })).toBe(42n);
    expect(big.ram.u64(TiB - 8)).toBe(42);
    expect(process.memoryUsage.rss() - before).toBeLessThan(32 * MiB);
    big.close();
    expect(() => createMachine({ ram: ram(TiB + 4096), backend: 'unicorn' })).toThrow(EngineError);
  });

  test('two machines do not know each other', () => {
    const pcs = [1, 2].map(() => createMachine({ ram: [{ start: 0, end: MiB }], backend: 'unicorn' }));
    for (const [i, pc] of pcs.entries()) {
      const { cr3, map } = pageTables(pc.ram, 0x40000);
      map(0x10000n, 0x10003n);
      pc.ram.write(0x10000, assemble(`mov eax, ${i}\n mov [0x10800], eax\n hlt`, 0x10000, 64));
      expect(pc.cpu?.call({ rip: 0x10000n, rsp: 0n, cr3 })).toBe(BigInt(i));
    }
    expect(pcs.map((pc) => pc.ram.u32(0x10800))).toEqual([0, 1]);
    for (const pc of pcs) pc.close();
  });

  test('opening and closing machines does not fill the table of native callbacks', () => {
    const none = { interrupt: () => {}, portRead: () => 0, portWrite: () => {} };
    const koffi = unicornLibrary().binding.koffi;
    const registered = () => koffi.stats().callbacks;
    const before = registered();
    for (let i = 0; i < 20; i++) new UnicornEngine(unicornLibrary(), MiB, none).close();
    expect(registered()).toBe(before);
  });
});
