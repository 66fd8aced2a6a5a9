; Interrupt vectors: every one returns at once, save those that the BIOS answers.

ivt_init:
            xor     ax, ax
            mov     es, ax
            xor     di, di
            mov     cx, 256
.every:
            mov     ax, int_ignore
            stosw
            mov     ax, BIOS_SEGMENT
            stosw
            loop    .every
            mov     word [es:0x10 * 4], int10
            mov     word [es:0x11 * 4], int11
            mov     word [es:0x12 * 4], int12
            mov     word [es:0x15 * 4], int15
            mov     word [es:0x18 * 4], int18
            mov     word [es:0x19 * 4], boot
            ret

int_ignore:
            iret

; Nothing to boot.
int18:
            mov     si, nothing_to_boot
            call    print
.forever:
            hlt
            jmp     .forever

nothing_to_boot:
            db      "BIOS: nothing to boot", 13, 10, 0
