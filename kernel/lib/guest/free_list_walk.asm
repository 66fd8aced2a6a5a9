; Counts a zone's free blocks as kernel code would: by the pointers in memory, from list_head to list_head, and nothing
; else. kernel/arch/x86/guest.ts runs it; /proc/buddyinfo must agree.
;
; in:  rdi  virtual address of zone->free_area: MAX_ORDER entries of MIGRATE_TYPES list_heads and u64 nr_free
;      rsi  virtual address of MAX_ORDER u64, for the number of blocks of each order
; out: rax  pages in all blocks
; A link whose neighbour does not point back raises an invalid opcode exception at `broken`.

MAX_ORDER     equ 11
MIGRATE_TYPES equ 6
NEXT          equ 0             ; struct list_head
PREV          equ 8
LIST_HEAD     equ 16
NR_FREE       equ 8             ; after the lists

        bits 64
        default rel

        xor     eax, eax
        xor     ecx, ecx        ; order
order:  xor     ebx, ebx        ; blocks of this order
        mov     r8d, MIGRATE_TYPES
list:   mov     rdx, rdi        ; the list's own list_head
step:   mov     r9, [rdx + NEXT]
        cmp     [r9 + PREV], rdx
        jne     broken
        mov     rdx, r9
        cmp     rdx, rdi
        je      end
        inc     rbx
        jmp     step
end:    add     rdi, LIST_HEAD
        dec     r8d
        jnz     list
        add     rdi, NR_FREE
        mov     [rsi + rcx * 8], rbx
        shl     rbx, cl
        add     rax, rbx
        inc     ecx
        cmp     ecx, MAX_ORDER
        jne     order
        hlt
broken: ud2
