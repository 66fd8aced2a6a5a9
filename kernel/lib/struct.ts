// Layouts of C structures in emulated memory, declared once, by the rules of the x86-64 psABI: each member at the next
// multiple of its alignment, the whole rounded up to the largest alignment.

/** A member's size and alignment in bytes. */
export interface Member {
  readonly size: number;
  readonly align: number;
}

/** Byte offset of every member, by name, and the size of the whole. */
export interface Layout<Name extends string> extends Member {
  readonly name: string;
  readonly offset: Readonly<Record<Name, number>>;
}

export const u8: Member = { size: 1, align: 1 };
export const u16: Member = { size: 2, align: 2 };
export const u32: Member = { size: 4, align: 4 };
export const u64: Member = { size: 8, align: 8 };
export const pointer: Member = u64;
export const list_head: Member = { size: 16, align: 8 };

/** `count` elements of `member` in a row. */
export const array = (member: Member, count: number): Member => ({ size: member.size * count, align: member.align });
/** `member` moved to the next multiple of `align` (C: __attribute__((aligned)), ____cacheline_aligned). */
export const aligned = (align: number, member: Member): Member => ({ size: member.size, align });
/** A member that matters only for the room it takes. */
export const bytes = (size: number, align = 1): Member => ({ size, align });

/**
 * Lays out a structure.
 * @param align alignment of the whole where it is declared larger than its members ask for
 */
export function struct<Name extends string>(name: string, members: Record<Name, Member>, align = 1): Layout<Name> {
  const offset = {} as Record<Name, number>;
  let end = 0;
  for (const key of Object.keys(members) as Name[]) {
    const member = members[key];
    end = Math.ceil(end / member.align) * member.align;
    offset[key] = end;
    end += member.size;
    align = Math.max(align, member.align);
  }
  return { name, offset, size: Math.ceil(end / align) * align, align };
}

/** Stops the program at load if a layout is not what Linux 6.1's is: a wrong offset would corrupt every structure. */
export function assertLayout<Name extends string>(
  layout: Layout<Name>,
  size: number,
  offsets: Partial<Record<Name, number>>,
): void {
  const wrong = (Object.keys(offsets) as Name[]).filter((key) => layout.offset[key] !== offsets[key]);
  if (layout.size === size && wrong.length === 0) return;
  const found = wrong.map((key) => `${key} at ${layout.offset[key]}, not ${offsets[key]}`);
  throw new Error(`struct ${layout.name}: ${[`size ${layout.size}, wanted ${size}`, ...found].join('; ')}`);
}
