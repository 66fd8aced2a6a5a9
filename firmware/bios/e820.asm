; INT 15h AX=E820h, the memory map (ACPI 6.5, 15.1).
;   in:  EDX = 'SMAP', EBX = 0 or what the call before gave, ECX = size of the buffer at ES:DI
;   out: an entry in the buffer, ECX = its size, EBX = what to go on with, 0 after the last; EAX = 'SMAP'
; A buffer of 20 bytes gets start, size and type; one of 24 or more the attributes too; a smaller one nothing.

SMAP                equ 0x534d4150

int15_e820:
            cmp     edx, SMAP
            jne     int15_fail
            cmp     ecx, E820_SHORT_ENTRY_SIZE
            jb      int15_fail
            movzx   eax, word [cs:NR_E820]
            cmp     ebx, eax
            jae     int15_fail

            cmp     ecx, E820_ENTRY_SIZE
            mov     ecx, E820_SHORT_ENTRY_SIZE
            jb      .short
            mov     ecx, E820_ENTRY_SIZE
.short:
            push    ecx
            push    si
            push    di
            imul    si, bx, E820_ENTRY_SIZE
            add     si, E820_MAP
            cld
            cs rep movsb
            pop     di
            pop     si
            pop     ecx

            inc     ebx
            cmp     ebx, eax
            jb      .more
            xor     ebx, ebx
.more:
            mov     eax, SMAP
            jmp     int15_succeed
