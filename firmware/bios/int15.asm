; INT 15h, what of it concerns memory: AX=E820h, AX=E801h, AH=88h. What is not here fails with AH=86h and carry, as do
; calls with wrong arguments.

UNSUPPORTED         equ 0x86
; The caller's flags, once BP has been pushed and points to the stack.
%define caller_flags word [bp + 6]
CARRY               equ 1

int15:
            push    bp
            mov     bp, sp
            cmp     ax, 0xe820
            je      int15_e820
            cmp     ax, 0xe801
            je      int15_e801
            cmp     ah, 0x88
            je      int15_88

int15_fail:
            mov     ah, UNSUPPORTED
            or      caller_flags, CARRY
            pop     bp
            iret

int15_succeed:
            and     caller_flags, ~CARRY
            pop     bp
            iret

; AX = KiB above 1 MiB, as far as 16 bits and 64 MiB go.
int15_88:
            mov     ax, [cs:EXTENDED_KIB]
            jmp     int15_succeed

; AX = CX = KiB from 1 to 16 MiB, BX = DX = 64 KiB units above.
int15_e801:
            mov     ax, [cs:E801_LOW]
            mov     bx, [cs:E801_HIGH]
            mov     cx, ax
            mov     dx, bx
            jmp     int15_succeed
