; Boot sector for tools/qemu-firmware.mjs: sends through the debug port 0xe9 what the BIOS reports, then leaves QEMU.
;   every e820 entry (20 bytes), then 20 bytes of ff; AX of INT 15h AH=88h; AX BX CX DX of AX=E801h;
;   then the ranges of memory listed at the end, which the script fills in.

            org     0x7c00
            bits    16

PORT        equ 0xe9
EXIT_PORT   equ 0x501
BUFFER      equ 0x8000
SMAP        equ 0x534d4150

            cli
            xor     ax, ax
            mov     ds, ax
            mov     es, ax
            mov     ss, ax
            mov     sp, 0x7c00

            xor     ebx, ebx
.entry:
            mov     eax, 0xe820
            mov     edx, SMAP
            mov     ecx, 20
            mov     di, BUFFER
            int     0x15
            jc      .end
            mov     si, BUFFER
            mov     cx, 20
            mov     dx, PORT
            rep outsb
            test    ebx, ebx
            jnz     .entry
.end:
            mov     cx, 20
            mov     dx, PORT
            mov     al, 0xff
.mark:
            out     dx, al
            loop    .mark

            mov     ah, 0x88
            int     0x15
            push    ax
            mov     ax, 0xe801
            int     0x15
            push    dx
            push    cx
            push    bx
            push    ax
            mov     si, sp
            mov     cx, 10
            mov     dx, PORT
            rep outsb

            ; Segments of 4 GiB: loaded in protected mode, kept in real mode.
            lgdt    [gdt_pointer]
            mov     eax, cr0
            or      al, 1
            mov     cr0, eax
            mov     bx, 8
            mov     ds, bx
            and     al, 0xfe
            mov     cr0, eax
            xor     bx, bx
            mov     ds, bx

            mov     bp, ranges
            mov     dx, PORT
.range:
            mov     esi, [cs:bp]
            mov     ecx, [cs:bp + 4]
            test    ecx, ecx
            jz      .leave
.byte:
            a32 lodsb
            out     dx, al
            dec     ecx
            jnz     .byte
            add     bp, 8
            jmp     .range
.leave:
            mov     dx, EXIT_PORT
            out     dx, al
            hlt

gdt:        dq      0, 0x00cf92000000ffff
gdt_pointer:
            dw      gdt_pointer - gdt - 1
            dd      gdt

            times 0x1c0 - ($ - $$) db 0
ranges:     times 48 db 0
            times 510 - ($ - $$) db 0
            dw      0xaa55
