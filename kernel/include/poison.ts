// What is left in memory so that its use after the fact shows (Linux: include/linux/poison.h).

/** Low words of what a list_head holds once it is off its list: next, prev. */
export const LIST_POISON1 = 0x100;
export const LIST_POISON2 = 0x122;
/** Of both; 0xdead0000 as an Int32Array holds it. */
export const LIST_POISON_HI = -0x21530000;

/** What page_poison=1 fills free pages with. */
export const PAGE_POISON = 0xaa;
